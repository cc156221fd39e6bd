// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// A price feed with the interface of Chainlink's AggregatorV3, whose answers the test says. The answer is in slot 1, as in Chainlink's
/// own mock, so that a simulation can put another price there.
contract Feed {
    uint8 public decimals;
    int256 public latestAnswer;
    uint256 public latestTimestamp;
    uint256 public latestRound;
    mapping(uint256 => int256) private answers;
    mapping(uint256 => uint256) private times;
    string public description;

    uint256 public constant version = 4;

    event AnswerUpdated(int256 indexed current, uint256 indexed roundId, uint256 updatedAt);

    constructor(string memory name, uint8 places, int256 answer) {
        description = name;
        decimals = places;
        updateAnswer(answer);
    }

    function updateAnswer(int256 answer) public {
        update(answer, block.timestamp);
    }

    /// An answer of another time: an old one is what a feed that has stopped shows.
    function update(int256 answer, uint256 time) public {
        latestRound++;
        latestAnswer = answers[latestRound] = answer;
        latestTimestamp = times[latestRound] = time;
        emit AnswerUpdated(answer, latestRound, time);
    }

    function aggregator() external view returns (address) {
        return address(this);
    }

    function getRoundData(uint80 round) external view returns (uint80, int256, uint256, uint256, uint80) {
        require(times[round] != 0, "No data present");
        return (round, answers[round], times[round], times[round], round);
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        uint80 round = uint80(latestRound);
        return (round, latestAnswer, latestTimestamp, latestTimestamp, round);
    }
}
