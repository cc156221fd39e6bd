// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC20Pausable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Pausable.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// A stablecoin as the large ones are: its owner can mint, pause it and freeze an account.
contract Stablecoin is ERC20, ERC20Pausable, Ownable {
    uint8 private immutable places;
    mapping(address => bool) public isBlacklisted;

    event Blacklisted(address indexed account);
    event UnBlacklisted(address indexed account);

    constructor(string memory name, string memory symbol, uint8 decimals_) ERC20(name, symbol) Ownable(msg.sender) {
        places = decimals_;
    }

    function decimals() public view override returns (uint8) {
        return places;
    }

    function mint(address to, uint256 amount) external onlyOwner {
        _mint(to, amount);
    }

    function pause() external onlyOwner {
        _pause();
    }

    function unpause() external onlyOwner {
        _unpause();
    }

    function blacklist(address account) external onlyOwner {
        isBlacklisted[account] = true;
        emit Blacklisted(account);
    }

    function unBlacklist(address account) external onlyOwner {
        isBlacklisted[account] = false;
        emit UnBlacklisted(account);
    }

    function approve(address spender, uint256 value) public override whenNotPaused returns (bool) {
        return super.approve(spender, value);
    }

    function _update(address from, address to, uint256 value) internal override(ERC20, ERC20Pausable) {
        require(!isBlacklisted[from] && !isBlacklisted[to], "Blacklistable: account is blacklisted");
        super._update(from, to, value);
    }
}

/// A vault that lends its assets out: its owner decides how much, and loses some. What is lent cannot be withdrawn.
contract Vault is ERC4626, Ownable {
    uint256 public lent;

    constructor(IERC20 asset_) ERC20("Vault", "vTOKEN") ERC4626(asset_) Ownable(msg.sender) {}

    function totalAssets() public view override returns (uint256) {
        return cash() + lent;
    }

    function cash() public view returns (uint256) {
        return IERC20(asset()).balanceOf(address(this));
    }

    function maxWithdraw(address owner) public view override returns (uint256) {
        return Math.min(super.maxWithdraw(owner), cash());
    }

    function maxRedeem(address owner) public view override returns (uint256) {
        return Math.min(super.maxRedeem(owner), previewDeposit(cash()));
    }

    function lend(uint256 amount) external onlyOwner {
        lent += amount;
        IERC20(asset()).transfer(msg.sender, amount);
    }

    function recall(uint256 amount) external onlyOwner {
        lent -= amount;
        IERC20(asset()).transferFrom(msg.sender, address(this), amount);
    }

    function lose(uint256 amount) external onlyOwner {
        lent -= amount;
    }
}
