package app

import (
	"context"
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"
)

// signsAll is a key that signs whatever it is given.
type signsAll struct{ signed int }

func (s *signsAll) SignTx(_ context.Context, tx *types.Transaction, _ *big.Int) (*types.Transaction, error) {
	s.signed++
	return tx, nil
}

// TestFencedSignsNothing: an exit that waited while another lifeboat took over signs no further transaction.
func TestFencedSignsNothing(t *testing.T) {
	key, taken := &signsAll{}, error(nil)
	f := fenced{key, func() error { return taken }}
	if _, err := f.SignTx(t.Context(), types.NewTx(&types.LegacyTx{}), big.NewInt(1)); err != nil || key.signed != 1 {
		t.Errorf("in office it signed %d, %v", key.signed, err)
	}
	taken = errors.New("another lifeboat has taken over")
	if _, err := f.SignTx(t.Context(), types.NewTx(&types.LegacyTx{}), big.NewInt(1)); !errors.Is(err, taken) || key.signed != 1 {
		t.Errorf("out of office it signed %d, %v", key.signed-1, err)
	}
}
