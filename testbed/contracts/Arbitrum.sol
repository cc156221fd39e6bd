// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// A stand-in for ArbSys, which on an Arbitrum chain is part of the node, at 0x64: written from its documented interface. It keeps the leaves of the tree
/// of what leaves the chain, and the tree is built as the Outbox below checks it: each leaf is hashed once more, and a node that has no right side
/// is hashed with 32 zero bytes.
contract ArbSysStandIn {
    event L2ToL1Tx(address caller, address indexed destination, uint256 indexed hash, uint256 indexed position, uint256 arbBlockNum, uint256 ethBlockNum, uint256 timestamp, uint256 callvalue, bytes data);

    bytes32[] private items;

    function withdrawEth(address destination) external payable returns (uint256) {
        return send(destination, "");
    }

    function sendTxToL1(address destination, bytes calldata data) external payable returns (uint256) {
        return send(destination, data);
    }

    function send(address destination, bytes memory data) private returns (uint256 position) {
        position = items.length;
        uint256 below = block.number / 2; // some block of the chain below
        bytes32 hash = keccak256(abi.encodePacked(msg.sender, destination, block.number, below, block.timestamp, msg.value, data));
        items.push(hash);
        emit L2ToL1Tx(msg.sender, destination, uint256(hash), position, block.number, below, block.timestamp, msg.value, data);
    }

    function count() external view returns (uint256) {
        return items.length;
    }

    function proof(uint64 size, uint64 leaf) external view returns (bytes32 sent, bytes32 root, bytes32[] memory path) {
        require(leaf < size && size <= items.length, "leaf is newer than root");
        bytes32[] memory level = new bytes32[](size);
        for (uint256 i = 0; i < size; i++) level[i] = keccak256(abi.encodePacked(items[i]));
        sent = level[leaf];
        uint256 depth = 0;
        while (1 << depth < size) depth++;
        path = new bytes32[](depth);
        uint256 at = leaf;
        for (uint256 d = 0; d < depth; d++) {
            path[d] = (at ^ 1) < level.length ? level[at ^ 1] : bytes32(0);
            bytes32[] memory up = new bytes32[]((level.length + 1) / 2);
            for (uint256 i = 0; i < up.length; i++) {
                up[i] = keccak256(abi.encodePacked(level[2 * i], 2 * i + 1 < level.length ? level[2 * i + 1] : bytes32(0)));
            }
            (level, at) = (up, at / 2);
        }
        root = level[0];
    }
}

/// A stand-in for ArbRetryableTx, part of the node at 0x6e, written from its documented interface. The sequencer, which is the test, puts the
/// tickets in, carries out what was scheduled, and says when that went well; everybody may redeem, and the beneficiary cancel.
contract ArbRetryableTxStandIn {
    event TicketCreated(bytes32 indexed ticketId);
    event RedeemScheduled(bytes32 indexed ticketId, bytes32 indexed retryTxHash, uint64 indexed sequenceNum, uint64 donatedGas, address gasDonor, uint256 maxRefund, uint256 submissionFeeRefund);
    event Canceled(bytes32 indexed ticketId);
    error NoTicketWithID();

    struct Ticket {
        uint256 timeout;
        address beneficiary;
        uint64 tries;
        uint64 gas;
    }

    uint256 private constant LIFETIME = 7 days;
    mapping(bytes32 => Ticket) private tickets;

    function create(bytes32 id, address beneficiary, bool redeems, uint64 gas) external {
        tickets[id] = Ticket(block.timestamp + LIFETIME, beneficiary, 0, gas);
        emit TicketCreated(id);
        if (redeems) schedule(id, gas);
    }

    function close(bytes32 id) external {
        delete tickets[id];
    }

    function redeem(bytes32 id) external returns (bytes32) {
        getTimeout(id);
        // Arbitrum's nodes count the attempt when they estimate what redeems; here the redemption itself wants as much as the ticket was given.
        require(gasleft() > tickets[id].gas, "too little gas for the attempt");
        return schedule(id, uint64(gasleft()));
    }

    function schedule(bytes32 id, uint64 gas) private returns (bytes32 retry) {
        uint64 sequence = tickets[id].tries++;
        retry = keccak256(abi.encodePacked(id, sequence));
        emit RedeemScheduled(id, retry, sequence, gas, msg.sender, 0, 0);
    }

    function cancel(bytes32 id) external {
        getTimeout(id);
        require(msg.sender == tickets[id].beneficiary, "only the beneficiary may cancel a retryable");
        delete tickets[id];
        emit Canceled(id);
    }

    function getTimeout(bytes32 id) public view returns (uint256) {
        if (tickets[id].timeout < block.timestamp) revert NoTicketWithID();
        return tickets[id].timeout;
    }

    function getLifetime() external pure returns (uint256) {
        return LIFETIME;
    }
}

interface ISendRoots {
    function updateSendRoot(bytes32 root, bytes32 l2BlockHash) external;
}

/// A stand-in for the Rollup below, whose validators assert and challenge: the test says what they have confirmed.
contract RollupStandIn {
    address public immutable owner = msg.sender;
    address public outbox;
    uint64 public constant confirmPeriodBlocks = 45818; // as on the main chain

    function set(address outbox_) external {
        outbox = outbox_;
    }

    function confirm(bytes32 root, bytes32 l2BlockHash) external {
        ISendRoots(outbox).updateSendRoot(root, l2BlockHash);
    }
}

/// What the tokens of the standard gateway ask for their code.
contract BeaconStandIn {
    address public immutable implementation;

    constructor(address implementation_) {
        implementation = implementation_;
    }
}
