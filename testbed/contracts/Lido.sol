// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// A stand-in for stETH, whose own code is on no registry: shares of a pool of ether, shown as the ether that they are worth. Its owner
/// says how much ether there is, as Lido's oracle does.
contract StETHStandIn {
    string public constant name = "Liquid staked Ether 2.0";
    string public constant symbol = "stETH";
    uint8 public constant decimals = 18;

    address private immutable owner = msg.sender;
    uint256 private pooled;
    uint256 public getTotalShares;
    mapping(address => uint256) public sharesOf;
    mapping(address => mapping(address => uint256)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event TransferShares(address indexed from, address indexed to, uint256 sharesValue);
    event Approval(address indexed owner, address indexed spender, uint256 value);
    event Submitted(address indexed sender, uint256 amount, address referral);
    event TokenRebased(uint256 preTotalEther, uint256 postTotalEther, uint256 totalShares);

    function submit(address referral) external payable returns (uint256 shares) {
        require(msg.value != 0, "ZERO_DEPOSIT");
        shares = getTotalShares == 0 ? msg.value : getSharesByPooledEth(msg.value);
        pooled += msg.value;
        getTotalShares += shares;
        sharesOf[msg.sender] += shares;
        emit Submitted(msg.sender, msg.value, referral);
        emit Transfer(address(0), msg.sender, msg.value);
        emit TransferShares(address(0), msg.sender, shares);
    }

    /// What the oracle reports: more after rewards, less after a slashing.
    function rebase(uint256 total) external {
        require(msg.sender == owner, "APP_AUTH_FAILED");
        emit TokenRebased(pooled, total, getTotalShares);
        pooled = total;
    }

    function totalSupply() external view returns (uint256) {
        return pooled;
    }

    function getTotalPooledEther() external view returns (uint256) {
        return pooled;
    }

    function getPooledEthByShares(uint256 shares) public view returns (uint256) {
        return getTotalShares == 0 ? 0 : shares * pooled / getTotalShares;
    }

    function getSharesByPooledEth(uint256 amount) public view returns (uint256) {
        return pooled == 0 ? 0 : amount * getTotalShares / pooled;
    }

    function balanceOf(address account) external view returns (uint256) {
        return getPooledEthByShares(sharesOf[account]);
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        emit Approval(msg.sender, spender, amount);
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        move(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        uint256 allowed = allowance[from][msg.sender];
        if (allowed != type(uint256).max) {
            require(allowed >= amount, "ALLOWANCE_EXCEEDED");
            allowance[from][msg.sender] = allowed - amount;
        }
        move(from, to, amount);
        return true;
    }

    function move(address from, address to, uint256 amount) private {
        uint256 shares = getSharesByPooledEth(amount);
        require(sharesOf[from] >= shares, "BALANCE_EXCEEDED");
        sharesOf[from] -= shares;
        sharesOf[to] += shares;
        emit Transfer(from, to, amount);
        emit TransferShares(from, to, shares);
    }
}

/// A stand-in for wstETH: one token is one share of stETH.
contract WstETHStandIn is ERC20 {
    StETHStandIn public immutable stETH;

    constructor(StETHStandIn staked) ERC20("Wrapped liquid staked Ether 2.0", "wstETH") {
        stETH = staked;
    }

    function wrap(uint256 amount) external returns (uint256 shares) {
        require(amount > 0, "wstETH: can't wrap zero stETH");
        shares = stETH.getSharesByPooledEth(amount);
        _mint(msg.sender, shares);
        stETH.transferFrom(msg.sender, address(this), amount);
    }

    function unwrap(uint256 shares) external returns (uint256 amount) {
        require(shares > 0, "wstETH: zero amount unwrap not allowed");
        amount = stETH.getPooledEthByShares(shares);
        _burn(msg.sender, shares);
        stETH.transfer(msg.sender, amount);
    }

    function getStETHByWstETH(uint256 shares) external view returns (uint256) {
        return stETH.getPooledEthByShares(shares);
    }

    function getWstETHByStETH(uint256 amount) external view returns (uint256) {
        return stETH.getSharesByPooledEth(amount);
    }

    function stEthPerToken() external view returns (uint256) {
        return stETH.getPooledEthByShares(1 ether);
    }
}

/// A stand-in for the queue in which stETH becomes ether. Its owner finalises requests by paying for them, at most what they asked for.
/// Requests are no tokens here.
contract WithdrawalQueueStandIn {
    struct WithdrawalRequestStatus {
        uint256 amountOfStETH;
        uint256 amountOfShares;
        address owner;
        uint256 timestamp;
        bool isFinalized;
        bool isClaimed;
    }

    struct Checkpoint {
        uint256 from; // the first request that is paid at this rate
        uint256 rate; // ether for an stETH, 18 decimals
    }

    error ResumedExpected();
    error RequestAmountTooSmall(uint256 amount);
    error RequestAmountTooLarge(uint256 amount);
    error RequestNotFoundOrNotFinalized(uint256 id);
    error RequestAlreadyClaimed(uint256 id);
    error InvalidRequestId(uint256 id);
    error InvalidHint(uint256 hint);
    error NotOwner(address sender, address owner);
    error ArraysLengthMismatch(uint256 a, uint256 b);

    event WithdrawalRequested(uint256 indexed requestId, address indexed requestor, address indexed owner, uint256 amountOfStETH, uint256 amountOfShares);
    event WithdrawalsFinalized(uint256 indexed from, uint256 indexed to, uint256 amountOfETHLocked, uint256 sharesToBurn, uint256 timestamp);
    event WithdrawalClaimed(uint256 indexed requestId, address indexed owner, address indexed receiver, uint256 amountOfETH);

    uint256 public constant MIN_STETH_WITHDRAWAL_AMOUNT = 100;
    uint256 public constant MAX_STETH_WITHDRAWAL_AMOUNT = 1000 ether;

    StETHStandIn public immutable STETH;
    WstETHStandIn public immutable WSTETH;
    address private immutable admin = msg.sender;
    bool public isPaused;
    bool public isBunkerModeActive;
    uint256 public getLastRequestId;
    uint256 public getLastFinalizedRequestId;
    mapping(uint256 => WithdrawalRequestStatus) private requests;
    mapping(address => uint256[]) private open;
    Checkpoint[] private checkpoints;

    constructor(StETHStandIn staked, WstETHStandIn wrapped) {
        (STETH, WSTETH) = (staked, wrapped);
        checkpoints.push(); // they are counted from one
    }

    function set(bool paused, bool bunker) external {
        require(msg.sender == admin);
        (isPaused, isBunkerModeActive) = (paused, bunker);
    }

    function requestWithdrawals(uint256[] calldata amounts, address owner) external returns (uint256[] memory ids) {
        if (isPaused) revert ResumedExpected();
        ids = new uint256[](amounts.length);
        for (uint256 i = 0; i < amounts.length; i++) {
            check(amounts[i]);
            STETH.transferFrom(msg.sender, address(this), amounts[i]);
            ids[i] = request(amounts[i], owner);
        }
    }

    function requestWithdrawalsWstETH(uint256[] calldata amounts, address owner) external returns (uint256[] memory ids) {
        if (isPaused) revert ResumedExpected();
        ids = new uint256[](amounts.length);
        for (uint256 i = 0; i < amounts.length; i++) {
            WSTETH.transferFrom(msg.sender, address(this), amounts[i]);
            uint256 amount = WSTETH.unwrap(amounts[i]);
            check(amount);
            ids[i] = request(amount, owner);
        }
    }

    function check(uint256 amount) private pure {
        if (amount < MIN_STETH_WITHDRAWAL_AMOUNT) revert RequestAmountTooSmall(amount);
        if (amount > MAX_STETH_WITHDRAWAL_AMOUNT) revert RequestAmountTooLarge(amount);
    }

    function request(uint256 amount, address owner) private returns (uint256 id) {
        if (owner == address(0)) owner = msg.sender;
        id = ++getLastRequestId;
        uint256 shares = STETH.getSharesByPooledEth(amount);
        requests[id] = WithdrawalRequestStatus(amount, shares, owner, block.timestamp, false, false);
        open[owner].push(id);
        emit WithdrawalRequested(id, msg.sender, owner, amount, shares);
    }

    function getWithdrawalRequests(address owner) external view returns (uint256[] memory) {
        return open[owner];
    }

    function getWithdrawalStatus(uint256[] calldata ids) external view returns (WithdrawalRequestStatus[] memory status) {
        status = new WithdrawalRequestStatus[](ids.length);
        for (uint256 i = 0; i < ids.length; i++) {
            if (ids[i] == 0 || ids[i] > getLastRequestId) revert InvalidRequestId(ids[i]);
            status[i] = requests[ids[i]];
            status[i].isFinalized = ids[i] <= getLastFinalizedRequestId;
        }
    }

    /// Pays for all requests up to one. With less ether than they asked for each gets less.
    function finalize(uint256 last) external payable {
        require(msg.sender == admin);
        uint256 first = getLastFinalizedRequestId + 1;
        uint256 asked;
        for (uint256 id = first; id <= last; id++) asked += requests[id].amountOfStETH;
        require(asked > 0 && msg.value <= asked, "TooMuchEtherToFinalize");
        checkpoints.push(Checkpoint(first, msg.value * 1e18 / asked));
        getLastFinalizedRequestId = last;
        emit WithdrawalsFinalized(first, last, msg.value, 0, block.timestamp);
    }

    function getLastCheckpointIndex() public view returns (uint256) {
        return checkpoints.length - 1;
    }

    function findCheckpointHints(uint256[] calldata ids, uint256 first, uint256 last) external view returns (uint256[] memory hints) {
        hints = new uint256[](ids.length);
        for (uint256 i = 0; i < ids.length; i++) {
            if (i > 0) require(ids[i] > ids[i - 1], "RequestIdsNotSorted");
            if (ids[i] == 0 || ids[i] > getLastRequestId) revert InvalidRequestId(ids[i]);
            if (ids[i] > getLastFinalizedRequestId) continue;
            for (uint256 c = last; c >= first; c--) {
                if (checkpoints[c].from <= ids[i]) {
                    hints[i] = c;
                    break;
                }
            }
        }
    }

    function claimWithdrawalsTo(uint256[] calldata ids, uint256[] calldata hints, address recipient) external {
        if (ids.length != hints.length) revert ArraysLengthMismatch(ids.length, hints.length);
        for (uint256 i = 0; i < ids.length; i++) claim(ids[i], hints[i], recipient);
    }

    function claim(uint256 id, uint256 hint, address recipient) private {
        WithdrawalRequestStatus storage r = requests[id];
        if (id == 0 || id > getLastFinalizedRequestId) revert RequestNotFoundOrNotFinalized(id);
        if (r.isClaimed) revert RequestAlreadyClaimed(id);
        if (r.owner != msg.sender) revert NotOwner(msg.sender, r.owner);
        if (hint == 0 || hint > getLastCheckpointIndex() || checkpoints[hint].from > id) revert InvalidHint(hint);
        if (hint < getLastCheckpointIndex() && checkpoints[hint + 1].from <= id) revert InvalidHint(hint);
        r.isClaimed = true;
        forget(msg.sender, id);
        uint256 paid = r.amountOfStETH * checkpoints[hint].rate / 1e18;
        (bool ok,) = recipient.call{value: paid}("");
        require(ok, "CantSendValueRecipientMayHaveReverted");
        emit WithdrawalClaimed(id, msg.sender, recipient, paid);
    }

    function forget(address owner, uint256 id) private {
        uint256[] storage ids = open[owner];
        for (uint256 i = 0; i < ids.length; i++) {
            if (ids[i] != id) continue;
            ids[i] = ids[ids.length - 1];
            ids.pop();
            return;
        }
    }
}
