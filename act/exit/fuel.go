package exit

import (
	"context"
	"fmt"
	"math/big"

	"lifeboat/chain"
)

// fuel is how much gas the sender has, counted in exits such as this.
type fuel struct {
	exits           int64
	has, each, toll *big.Int // each counts in what a rollup takes beside the gas, its toll
}

// What an exit is taken to need beside its calls: a Safe checks each signature and does everything else. Where nothing could be
// simulated, an exit is taken to need blindGas in all.
const (
	signatureGas = 8_000
	overheadGas  = 75_000
	blindGas     = 1_000_000
)

// fuel says how many such exits the sender could pay for.
func (d *Desk) fuel(ctx context.Context, p Prepared) (fuel, error) {
	fees, err := d.Chain.Fees(ctx)
	if err != nil {
		return fuel{}, fmt.Errorf("ask what gas costs: %w", err)
	}
	limit, err := gasLimit(p.Gas)
	if err != nil {
		return fuel{}, err
	}
	to, data, err := p.calldata()
	if err != nil {
		return fuel{}, err
	}
	answers, _, err := d.Chain.Read(ctx, nil, append([]chain.Query{{What: chain.Balance, To: p.Sender}}, d.tollQueries(to, nil, data, limit)...))
	if err != nil {
		return fuel{}, fmt.Errorf("read what %s has for gas: %w", p.Sender.Hex(), err)
	}
	most := new(big.Int).Add(new(big.Int).Lsh(fees.Base, 1), fees.Tip)
	f := fuel{has: new(big.Int).SetBytes(answers[0].Data), each: most.Mul(most, new(big.Int).SetUint64(limit)), toll: tollOf(answers[1:])}
	f.each.Add(f.each, f.toll)
	if f.each.Sign() == 0 {
		f.each.SetInt64(1)
	}
	f.exits = 1 << 20
	if exits := new(big.Int).Div(f.has, f.each); exits.IsInt64() {
		f.exits = min(f.exits, exits.Int64())
	}
	return f, nil
}

// empty refuses an exit that its sender cannot pay for.
func (d *Desk) empty(p Prepared, f fuel) error {
	if f.exits > 0 {
		return nil
	}
	return fmt.Errorf("%s has %s for gas, and this exit needs %s: top it up by %s on %s, which is enough for %d exits",
		p.Sender.Hex(), d.coins(f.has), d.coins(f.each), d.coins(d.lacks(f)), d.Name, d.Policy.Reserve)
}

// Payable says why nobody here could pay for an exit now. That a relay may pay is no excuse: when it does not, the key here has to.
func (d *Desk) Payable(ctx context.Context, p Prepared) error {
	if d.Signers[p.Sender] == nil {
		return fmt.Errorf("nobody here holds the key of %s, which is to pay the gas", p.Sender.Hex())
	}
	f, err := d.fuel(ctx, p)
	if err != nil {
		return err
	}
	return d.empty(p, f)
}

// lacks is what the sender would need more to have the reserve.
func (d *Desk) lacks(f fuel) *big.Int {
	reserve := new(big.Int).Mul(f.each, big.NewInt(int64(d.Policy.Reserve)))
	return reserve.Sub(reserve, f.has)
}
