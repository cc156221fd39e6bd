package safe

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"regexp"
	"unicode"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain/contract"
)

// codes of a Safe's errors. Source: docs/error_codes.md of github.com/safe-global/safe-smart-account, and GS027 of its 1.4.1 code.
var codes = map[string]string{
	"GS000": "the Safe could not be set up",
	"GS001": "the Safe has no threshold: it was never set up",
	"GS002": "what should set the Safe's modules up is no contract",
	"GS010": "there is not enough gas for the transaction inside",
	"GS011": "the Safe could not pay for the gas in the chain's coin",
	"GS012": "the Safe could not pay for the gas in the token",
	"GS013": "what the Safe was to do failed",
	"GS020": "there are fewer signatures than the threshold asks for",
	"GS021": "a contract's signature is said to lie where the other signatures are",
	"GS022": "a contract's signature has no length",
	"GS023": "a contract's signature is cut off",
	"GS024": "a contract that is an owner says the signature is not its own",
	"GS025": "an owner has not approved of the hash on the chain",
	"GS026": "a signature is not an owner's, or stands in the wrong place: the Safe's nonce has moved on since it was signed, an owner was replaced, or something else was signed",
	"GS027": "what a contract is asked to vouch for is not what was hashed",
	"GS030": "only an owner can approve of a hash",
	"GS031": "only the Safe itself can do that, by a transaction of its own",
	"GS100": "the Safe's modules have been set up already",
	"GS101": "that address cannot be a module",
	"GS102": "the module is enabled already",
	"GS103": "the module does not come after the one that was named before it",
	"GS104": "only an enabled module can do that",
	"GS105": "the list of modules does not start there",
	"GS106": "a page of no modules was asked for",
	"GS200": "the Safe's owners have been set up already",
	"GS201": "the threshold would be higher than the number of owners",
	"GS202": "the threshold has to be one at least",
	"GS203": "that address cannot be an owner",
	"GS204": "the address is an owner already",
	"GS205": "the owner does not come after the one that was named before it",
	"GS300": "the guard does not say that it is one (ERC-165)",
	"GS301": "the guard of modules does not say that it is one (ERC-165)",
	"GS400": "the Safe cannot answer for itself as its own fallback handler",
}

// statuses of the Roles modifier's ConditionViolation, by their number. Source: enum Status in packages/evm/contracts/PermissionChecker.sol of
// github.com/gnosisguild/zodiac-modifier-roles, version 2.
var statuses = []string{
	"nothing is wrong",
	"the role may not make a delegate call to that contract",
	"the role may not call that contract",
	"the role may not call that function of the contract",
	"the role may not send coins to that contract",
	"none of the conditions of which one has to hold does",
	"one of the conditions of which none may hold does",
	"an argument is not the one value that the role permits",
	"an argument is less than the role permits",
	"an argument is more than the role permits",
	"an argument does not fit the role's pattern",
	"not every entry of a list is permitted",
	"no entry of a list is permitted",
	"a list has entries that the role does not permit",
	"a mask is longer than the value it is laid over",
	"a part of an argument is not what the role permits",
	"a condition of the role's own contract does not hold",
	"the role's allowance for the amount is used up",
	"the role's allowance of calls is used up",
	"the role's allowance of coins is used up",
}

// custom errors of the Roles modifier and of what it stands on, other than ConditionViolation.
var custom = []struct {
	error *contract.Method
	words string
}{
	{contract.New("NotAuthorized(address)"), "{0} may use neither the module nor any role of it"},
	{contract.New("NoMembership()"), "the key does not have the role"},
	{contract.New("ModuleTransactionFailed()"), "the role permits it, but what the Safe was to do failed"},
	{contract.New("FunctionSignatureTooShort()"), "it calls nothing: fewer than four bytes of data"},
	{contract.New("CalldataOutOfBounds()"), "the data is shorter than the role's conditions look for"},
	{contract.New("MalformedMultiEntrypoint()"), "the batch cannot be looked through"},
	{contract.New("MalformedHeader()"), "the batch cannot be looked through"},
	{contract.New("UnalignedHeader()"), "the batch cannot be looked through"},
	{contract.New("OwnableUnauthorizedAccount(address)"), "{0} is not the owner of the contract"},
	{contract.New("HashAlreadyConsumed(bytes32)"), "the signed call has been used already"},
}

var (
	conditionViolation = contract.New("ConditionViolation(uint8,bytes32)")
	code               = regexp.MustCompile(`\bGS\d{3}\b`)
)

// Explain puts the bytes of a revert into a clause for people: a Safe's codes, what a Roles modifier refused, and the usual
// errors of contracts. What is not known is shown as it is.
func Explain(revert []byte) string {
	if len(revert) == 0 {
		return "a contract refused without a reason"
	}
	if reason, err := abi.UnpackRevert(revert); err == nil {
		return ExplainText(reason)
	}
	if values, err := conditionViolation.Values(revert); err == nil {
		status, info := values[0].(uint8), common.Hash(values[1].([32]byte))
		words := "for a reason that is not known here"
		if int(status) < len(statuses) {
			words = statuses[status]
		}
		if info != (common.Hash{}) {
			words += " (" + roleName(info) + ")"
		}
		return fmt.Sprintf("the role does not permit it: %s (ConditionViolation %d)", words, status)
	}
	for _, c := range custom {
		if values, err := c.error.Values(revert); err == nil {
			return fmt.Sprintf("%s (%s)", verb{c.error, c.words}.say(Step{Value: new(big.Int)}, values, Names{}), c.error.Name())
		}
	}
	shown := hex.EncodeToString(revert[:min(len(revert), shownMax)])
	if len(revert) > shownMax {
		shown += "…"
	}
	return "a contract refused with an error that is not known here, 0x" + shown
}

// ExplainText adds to what a contract says in words of its own what a Safe's code in it means.
func ExplainText(reason string) string {
	said := printable(reason)
	if found := code.FindString(said); codes[found] != "" {
		return fmt.Sprintf("%s (%s)", codes[found], found)
	}
	return "a contract refused: " + said
}

// reasonMax bounds what is repeated of what a contract says, which anybody may have written.
const reasonMax = 200

func printable(text string) string {
	kept := make([]rune, 0, reasonMax)
	for _, c := range text {
		if len(kept) == reasonMax {
			return string(kept) + "…"
		}
		if unicode.IsPrint(c) { // neither a terminal's commands nor what turns the direction of writing

			kept = append(kept, c)
		}
	}
	return string(kept)
}
