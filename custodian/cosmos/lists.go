package cosmos

import (
	"context"
	"net/url"
)

type pagination struct {
	Next string `json:"next_key"`
}

// pages reads a list to its end. one reads a page into what it collects and says what comes next; false where the answer is no page.
func (s *Source) pages(step string, one func(query url.Values) (next *pagination, ok bool, err error)) error {
	key := ""
	for range pagesMax {
		query := url.Values{"pagination.limit": {pageSize}}
		if key != "" {
			query.Set("pagination.key", key)
		}
		next, ok, err := one(query)
		switch {
		case err != nil:
			return err
		case !ok || next == nil:
			return s.Node.Fault(step, "the answer is not a page of a list")
		case next.Next == "":
			return nil
		case next.Next == key:
			return s.Node.Fault(step, "the list goes round in a circle")
		}
		key = next.Next
	}
	return s.Node.Fault(step, "the list has more than %d pages, or does not end", pagesMax)
}

// bank reads balances, or those that may be spent.
func (s *Source) bank(ctx context.Context, at block, what, address string, into coins) error {
	step := "read the balance of " + address
	return s.pages(step, func(query url.Values) (*pagination, bool, error) {
		var said struct {
			Balances   []coin      `json:"balances"`
			Pagination *pagination `json:"pagination"`
		}
		if err := s.get(ctx, at, step, "/cosmos/bank/v1beta1/"+what+"/"+address, query, &said); err != nil {
			return nil, false, err
		}
		for _, c := range said.Balances {
			if err := into.add(c); err != nil {
				return nil, false, s.Node.Fault(step, "%s", err)
			}
		}
		return said.Pagination, said.Balances != nil, nil
	})
}

// delegated reads what validators hold for the address.
func (s *Source) delegated(ctx context.Context, at block, address string, into coins) error {
	step := "read the delegations of " + address
	return s.pages(step, func(query url.Values) (*pagination, bool, error) {
		var said struct {
			Delegations []struct {
				Balance coin `json:"balance"`
			} `json:"delegation_responses"`
			Pagination *pagination `json:"pagination"`
		}
		if err := s.get(ctx, at, step, "/cosmos/staking/v1beta1/delegations/"+address, query, &said); err != nil {
			return nil, false, err
		}
		for _, d := range said.Delegations {
			if err := into.add(d.Balance); err != nil {
				return nil, false, s.Node.Fault(step, "%s", err)
			}
		}
		return said.Pagination, said.Delegations != nil, nil
	})
}

// unbonding reads what is on its way back from validators; it is of the denomination that is staked.
func (s *Source) unbonding(ctx context.Context, at block, address, bond string, into coins) error {
	step := "read what " + address + " is unbonding"
	return s.pages(step, func(query url.Values) (*pagination, bool, error) {
		var said struct {
			Unbonding []struct {
				Entries []struct {
					Balance string `json:"balance"`
				} `json:"entries"`
			} `json:"unbonding_responses"`
			Pagination *pagination `json:"pagination"`
		}
		if err := s.get(ctx, at, step, "/cosmos/staking/v1beta1/delegators/"+address+"/unbonding_delegations", query, &said); err != nil {
			return nil, false, err
		}
		for _, u := range said.Unbonding {
			for _, e := range u.Entries {
				if err := into.add(coin{bond, e.Balance}); err != nil {
					return nil, false, s.Node.Fault(step, "%s", err)
				}
			}
		}
		return said.Pagination, said.Unbonding != nil, nil
	})
}

// bond is the denomination that is staked.
func (s *Source) bond(ctx context.Context, at block) (string, error) {
	const step = "read what is staked"
	var said struct {
		Params struct {
			Bond string `json:"bond_denom"`
		} `json:"params"`
	}
	if err := s.get(ctx, at, step, "/cosmos/staking/v1beta1/params", nil, &said); err != nil {
		return "", err
	}
	if said.Params.Bond == "" {
		return "", s.Node.Fault(step, "the answer names no denomination")
	}
	return said.Params.Bond, nil
}
