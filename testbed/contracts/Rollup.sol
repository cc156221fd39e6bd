// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// A proposal of a rollup's state, as DisputeGameFactory of the OP Stack clones it and OptimismPortal2 asks it. Nobody plays: the test
/// says how the dispute ends. What it was made of is appended to its calldata by the clone: creator (20 bytes), root claim (32),
/// parent hash (32), extra data (32: the rollup's block), and the length of it all, with its own two bytes (2).
contract Game {
    uint64 public createdAt;
    uint64 public resolvedAt;
    uint8 public status; // 0 open, 1 the challenger wins, 2 the defender wins

    function argument(uint256 offset) private pure returns (bytes32 word) {
        assembly {
            let size := shr(240, calldataload(sub(calldatasize(), 2)))
            word := calldataload(add(sub(calldatasize(), size), offset))
        }
    }

    function initialize() external payable {
        createdAt = uint64(block.timestamp);
    }

    function rootClaim() external pure returns (bytes32) {
        return argument(20);
    }

    function extraData() external pure returns (bytes memory) {
        return abi.encode(argument(84));
    }

    function l2BlockNumber() external pure returns (uint256) {
        return uint256(argument(84));
    }

    function gameType() external pure returns (uint32) {
        return 0;
    }

    function end(uint8 how) external {
        status = how;
        resolvedAt = uint64(block.timestamp);
    }
}

/// An account that takes no coins until it is told to: the receiver that a message fails on.
contract Picky {
    bool public open;

    function set(bool to) external {
        open = to;
    }

    receive() external payable {
        require(open, "not now");
    }
}
