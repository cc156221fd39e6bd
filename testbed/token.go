package testbed

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
)

// Token is an ERC-20 contract that the bed can print.
type Token struct {
	Contract
	Symbol   string
	Decimals int
}

const aave = "@aave/core-v3/artifacts/contracts/"

// WETH is wrapped ether: deposit and withdraw work as they do on the main chain.
func (b *Bed) WETH() Token {
	b.t.Helper()
	c := b.once("WETH", func() Contract { return b.Deploy(aave + "mocks/tokens/WETH9Mocked.sol/WETH9Mocked.json") })
	return Token{c, "WETH", 18}
}

// USDC is a plain ERC-20 token of six decimals that anybody may mint.
func (b *Bed) USDC() Token {
	b.t.Helper()
	return b.Token("USD Coin", "USDC", 6)
}

// Token is a plain ERC-20 token that anybody may mint, the same each time that its symbol is asked for.
func (b *Bed) Token(name, symbol string, decimals uint8) Token {
	b.t.Helper()
	c := b.once(symbol, func() Contract {
		return b.Deploy(aave+"mocks/tokens/MintableERC20.sol/MintableERC20.json", name, symbol, decimals)
	})
	return Token{c, symbol, int(decimals)}
}

// Mint makes tokens out of nothing, in base units.
func (b *Bed) Mint(token Token, to common.Address, amount *big.Int) {
	b.t.Helper()
	b.Send(b.Admin(), token.Contract, "mint(address,uint256)", to, amount)
}

// Balance of an address.
func (b *Bed) Balance(token Token, of common.Address) *big.Int {
	b.t.Helper()
	return b.Number(token.Contract, "balanceOf", of)
}

// Stablecoin is a token as the large ones are: its owner, the administrator, mints it, pauses it and freezes accounts.
func (b *Bed) Stablecoin(name, symbol string, decimals uint8) Token {
	b.t.Helper()
	return Token{b.Deploy("ours/Tokens.sol/Stablecoin", name, symbol, decimals), symbol, int(decimals)}
}

// Vault is an ERC-4626 vault of OpenZeppelin's, whose owner, the administrator, can lend out what is in it and lose that.
func (b *Bed) Vault(asset Token) Token {
	b.t.Helper()
	return Token{b.Deploy("ours/Tokens.sol/Vault", asset.Address), "vTOKEN", asset.Decimals}
}
