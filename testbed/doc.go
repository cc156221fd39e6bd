// Package testbed gives the tests of everything on chain a chain to run on, with the real contracts of Safe, Aave, Uniswap, OpenZeppelin
// and Zodiac deployed on it, and between two of them those of the bridges of the OP Stack ([Rollup]) and of Arbitrum ([Arbitrum]).
//
// [Start] starts a node of the test's own: anvil, from its npm package, or go-ethereum's in-process simulated chain with its ports
// open; [Each] runs a test on both, since what one forgives the other does not. A [Bed] deploys what a test needs ([Bed.Safe],
// [Bed.Aave], …), moves its world (prices, time, reorganisations, spikes of the fee) and puts a proxy that fails on demand between
// the node and the product ([Bed.Through]). Contracts of others are read from node_modules, where `make testbed` puts them; our own
// small ones in contracts/ are compiled once into an ignored cache.
//
// It is test support: nothing of it is in the product, it listens on the loopback only, and what it starts dies with the test.
package testbed
