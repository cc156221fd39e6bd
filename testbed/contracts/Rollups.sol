// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// A stand-in for the GasPriceOracle of the OP stack, written from its documentation: what is taken for the bytes of a transaction, so much a
/// byte, and by the operator. Before the upgrades that brought them, two of its methods refuse.
contract GasPriceOracleStandIn {
    uint256 private perByte;
    uint256 private operatorConstant;
    uint256 private operatorScalar; // millionths of a wei for each gas
    bool public isFjord;
    bool public isIsthmus;

    function set(uint256 perByte_, uint256 constant_, uint256 scalar, bool fjord, bool isthmus) external {
        (perByte, operatorConstant, operatorScalar, isFjord, isIsthmus) = (perByte_, constant_, scalar, fjord, isthmus);
    }

    function getL1FeeUpperBound(uint256 unsignedTxSize) external view returns (uint256) {
        require(isFjord, "GasPriceOracle: getL1FeeUpperBound only supports Fjord");
        uint256 size = unsignedTxSize + 68; // the signature
        return (size + size / 255 + 16) * perByte;
    }

    function getL1Fee(bytes memory data) external view returns (uint256) {
        return (data.length + 68) * perByte;
    }

    function getOperatorFee(uint256 gasUsed) external view returns (uint256) {
        require(isIsthmus);
        return gasUsed * operatorScalar / 1e6 + operatorConstant;
    }
}

/// A stand-in for what Arbitrum's nodes answer at an address at which there is no contract: the gas that the bytes of a call take.
contract NodeInterfaceStandIn {
    function gasEstimateL1Component(address, bool, bytes calldata data) external payable returns (uint64 gasEstimateForL1, uint256 baseFee, uint256 l1BaseFeeEstimate) {
        require(msg.sender == tx.origin, "nobody on chain can call this");
        return (uint64(data.length) * 100, block.basefee, 30 gwei);
    }

    /// The proof that something left the chain, in the tree as it was when so much had left.
    function constructOutboxProof(uint64 size, uint64 leaf) external view returns (bytes32 send, bytes32 root, bytes32[] memory proof) {
        require(msg.sender == tx.origin, "nobody on chain can call this");
        return ISends(address(0x64)).proof(size, leaf);
    }
}

interface ISends {
    function proof(uint64 size, uint64 leaf) external view returns (bytes32, bytes32, bytes32[] memory);
}
