// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

interface IToken {
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
    function balanceOf(address owner) external view returns (uint256);
}

interface IFeed {
    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80);
}

/// A stand-in for a market of Compound v3, whose own code is on no registry: the methods, units, events and refusals of Comet, with one
/// collateral and without interest, absorption and rewards. Prices have 8 decimals, factors 18.
contract CometStandIn {
    struct AssetInfo {
        uint8 offset;
        address asset;
        address priceFeed;
        uint64 scale;
        uint64 borrowCollateralFactor;
        uint64 liquidateCollateralFactor;
        uint64 liquidationFactor;
        uint128 supplyCap;
    }

    struct Collateral {
        uint128 balance;
        uint128 _reserved;
    }

    event Supply(address indexed from, address indexed dst, uint256 amount);
    event Withdraw(address indexed src, address indexed to, uint256 amount);
    event SupplyCollateral(address indexed from, address indexed dst, address indexed asset, uint256 amount);
    event WithdrawCollateral(address indexed src, address indexed to, address indexed asset, uint256 amount);
    event PauseAction(bool supplyPaused, bool transferPaused, bool withdrawPaused, bool absorbPaused, bool buyPaused);

    error Paused();
    error BadAsset();
    error NotCollateralized();
    error BorrowTooSmall();
    error SupplyCapExceeded();
    error TransferInFailed();
    error TransferOutFailed();
    error Unauthorized();

    address public immutable governor;
    address public immutable baseToken;
    address public immutable baseTokenPriceFeed;
    uint256 public immutable baseScale;
    uint256 public immutable baseBorrowMin;
    AssetInfo private collateral;

    mapping(address => int256) private principal; // of the base asset; below zero is borrowed
    mapping(address => mapping(address => Collateral)) public userCollateral;
    uint256 public totalSupply;
    uint256 public totalBorrow;
    bool public isSupplyPaused;
    bool public isWithdrawPaused;

    constructor(address base, address baseFeed, uint64 scale, address asset, address assetFeed, uint64 assetScale) {
        governor = msg.sender;
        (baseToken, baseTokenPriceFeed, baseScale) = (base, baseFeed, scale);
        baseBorrowMin = 100 * uint256(scale);
        collateral = AssetInfo(0, asset, assetFeed, assetScale, 0.825e18, 0.895e18, 0.95e18, type(uint128).max);
    }

    function numAssets() external pure returns (uint8) {
        return 1;
    }

    function getAssetInfo(uint8 i) external view returns (AssetInfo memory) {
        if (i != 0) revert BadAsset();
        return collateral;
    }

    function getAssetInfoByAddress(address asset) public view returns (AssetInfo memory) {
        if (asset != collateral.asset) revert BadAsset();
        return collateral;
    }

    function getPrice(address feed) public view returns (uint256) {
        (, int256 price,,,) = IFeed(feed).latestRoundData();
        return uint256(price);
    }

    function balanceOf(address account) external view returns (uint256) {
        return principal[account] > 0 ? uint256(principal[account]) : 0;
    }

    function borrowBalanceOf(address account) public view returns (uint256) {
        return principal[account] < 0 ? uint256(-principal[account]) : 0;
    }

    function getUtilization() external view returns (uint256) {
        return totalSupply == 0 ? 0 : totalBorrow * 1e18 / totalSupply;
    }

    function isBorrowCollateralized(address account) public view returns (bool) {
        return covered(account, collateral.borrowCollateralFactor);
    }

    function isLiquidatable(address account) external view returns (bool) {
        return !covered(account, collateral.liquidateCollateralFactor);
    }

    function covered(address account, uint64 factor) private view returns (bool) {
        uint256 debt = borrowBalanceOf(account) * getPrice(baseTokenPriceFeed) / baseScale;
        uint256 worth = uint256(userCollateral[account][collateral.asset].balance) * getPrice(collateral.priceFeed) / collateral.scale;
        return worth * factor / 1e18 >= debt;
    }

    function pause(bool supplies, bool transfers, bool withdrawals, bool absorbs, bool buys) external {
        if (msg.sender != governor) revert Unauthorized();
        isSupplyPaused = supplies;
        isWithdrawPaused = withdrawals;
        emit PauseAction(supplies, transfers, withdrawals, absorbs, buys);
    }

    function supply(address asset, uint256 amount) external {
        supplyTo(msg.sender, asset, amount);
    }

    /// The greatest amount stands for the debt, whatever it is, as in Comet.
    function supplyTo(address dst, address asset, uint256 amount) public {
        if (isSupplyPaused) revert Paused();
        if (asset != baseToken) {
            getAssetInfoByAddress(asset);
            take(asset, amount);
            userCollateral[dst][asset].balance += uint128(amount);
            emit SupplyCollateral(msg.sender, dst, asset, amount);
            return;
        }
        if (amount == type(uint256).max) amount = borrowBalanceOf(dst);
        take(asset, amount);
        book(dst, principal[dst] + int256(amount));
        emit Supply(msg.sender, dst, amount);
    }

    function withdraw(address asset, uint256 amount) external {
        withdrawTo(msg.sender, asset, amount);
    }

    function withdrawTo(address to, address asset, uint256 amount) public {
        if (isWithdrawPaused) revert Paused();
        address src = msg.sender;
        if (asset == baseToken) {
            if (amount == type(uint256).max) amount = principal[src] > 0 ? uint256(principal[src]) : 0;
            book(src, principal[src] - int256(amount));
            if (principal[src] < 0 && borrowBalanceOf(src) < baseBorrowMin) revert BorrowTooSmall();
            emit Withdraw(src, to, amount);
        } else {
            getAssetInfoByAddress(asset);
            userCollateral[src][asset].balance -= uint128(amount);
            emit WithdrawCollateral(src, to, asset, amount);
        }
        if (!isBorrowCollateralized(src)) revert NotCollateralized();
        if (!IToken(asset).transfer(to, amount)) revert TransferOutFailed();
    }

    function take(address asset, uint256 amount) private {
        if (!IToken(asset).transferFrom(msg.sender, address(this), amount)) revert TransferInFailed();
    }

    function book(address account, int256 to) private {
        int256 was = principal[account];
        totalSupply = totalSupply - (was > 0 ? uint256(was) : 0) + (to > 0 ? uint256(to) : 0);
        totalBorrow = totalBorrow - (was < 0 ? uint256(-was) : 0) + (to < 0 ? uint256(-to) : 0);
        principal[account] = to;
    }
}
