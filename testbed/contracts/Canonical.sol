// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// What Multicall3 offers to those who read, written anew with the same methods; the bed puts it at the address where Multicall3 is on
/// every chain.
contract Multicall {
    struct Call3 {
        address target;
        bool allowFailure;
        bytes callData;
    }

    struct Result {
        bool success;
        bytes returnData;
    }

    function aggregate3(Call3[] calldata calls) external payable returns (Result[] memory results) {
        results = new Result[](calls.length);
        for (uint256 i = 0; i < calls.length; i++) {
            (results[i].success, results[i].returnData) = calls[i].target.call(calls[i].callData);
            require(results[i].success || calls[i].allowFailure, "Multicall3: call failed");
        }
    }

    function getBlockNumber() external view returns (uint256) {
        return block.number;
    }

    function getBlockHash(uint256 number) external view returns (bytes32) {
        return blockhash(number);
    }

    function getCurrentBlockTimestamp() external view returns (uint256) {
        return block.timestamp;
    }

    function getEthBalance(address owner) external view returns (uint256) {
        return owner.balance;
    }

    function getChainId() external view returns (uint256) {
        return block.chainid;
    }

    function getBasefee() external view returns (uint256) {
        return block.basefee;
    }
}

/// The factory of ERC-2470, through which Zodiac Roles stores its conditions.
contract SingletonFactory {
    function deploy(bytes memory code, bytes32 salt) external returns (address payable created) {
        assembly {
            created := create2(0, add(code, 32), mload(code), salt)
        }
    }
}

/// Makes minimal proxies of ERC-1167, which is how Zodiac's modules are deployed.
contract Cloner {
    event Cloned(address indexed clone);

    function clone(address implementation, bytes calldata setUp) external returns (address made) {
        bytes memory code = abi.encodePacked(
            hex"3d602d80600a3d3981f3363d3d373d3d3d363d73", implementation, hex"5af43d82803e903d91602b57fd5bf3"
        );
        assembly {
            made := create(0, add(code, 32), mload(code))
        }
        (bool ok, bytes memory why) = made.call(setUp);
        require(ok, string(why));
        emit Cloned(made);
    }
}
