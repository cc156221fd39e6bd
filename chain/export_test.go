package chain

// Walk is how a proof is checked.
var Walk = walk
