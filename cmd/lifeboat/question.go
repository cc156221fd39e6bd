package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/serve/api"
)

func questionCommand() *cobra.Command {
	c := &cobra.Command{Use: "question", Short: "What an owner's wallet signs for a yes to an exit", Args: arguments(0, 0),
		Long: `question shows what the owners of a Safe sign when an exit asks them. lifeboat
answer KEY yes --signature gives the signature back. The key of the wallet stays
where it is: lifeboat never asks for it.`}
	c.AddCommand(typedDataCommand(), hashesCommand())
	return c
}

func typedDataCommand() *cobra.Command {
	var dataDir string
	c := &cobra.Command{Use: "typed-data KEY", Short: "The transaction as wallets take it (EIP-712), for clef, a Ledger's tools, or a browser's wallet", Args: arguments(1, 1),
		Long: `typed-data prints the second parameter of eth_signTypedData_v4, exactly. Give it
to the tool of your wallet, compare the hash that the wallet shows with that of
lifeboat question hashes on another machine, and sign.`,
		Example: "  lifeboat question typed-data lb-0123456789abcdef01234567 > exit.json",
		RunE: func(c *cobra.Command, args []string) error {
			var payload json.RawMessage
			if err := call(c.Context(), dataDir, http.MethodGet, "/api/v1/questions/"+url.PathEscape(args[0])+"/typed-data", nil, &payload); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s\n", payload)
			return nil
		}}
	c.Flags().StringVar(&dataDir, "data", "lifeboat-data", "data `DIR` of the daemon")
	return c
}

func hashesCommand() *cobra.Command {
	var dataDir string
	c := &cobra.Command{Use: "hashes KEY", Short: "What the wallet must show, in a few lines: short enough to read out, or for a QR code", Args: arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			var s api.Status
			if err := call(c.Context(), dataDir, http.MethodGet, "/api/v1/status", nil, &s); err != nil {
				return err
			}
			i := slices.IndexFunc(s.Questions, func(q api.Question) bool { return q.Key == args[0] })
			switch {
			case i < 0:
				return &lifeboat.Problem{Reason: "not-found", What: fmt.Sprintf("no open question has the key %s", args[0]), Money: "nothing was decided", Next: "lifeboat status lists the open questions"}
			case s.Questions[i].Signing == nil:
				return &lifeboat.Problem{Reason: "not-found", What: "the question holds no transaction of a Safe that a wallet could sign", Money: "nothing was decided",
					Next: "lifeboat question typed-data " + args[0] + " says why, where there should be one"}
			}
			g := s.Questions[i].Signing
			fmt.Fprintf(c.OutOrStdout(), "chain   %d\nsafe    %s\nnonce   %d\nhash    %s\ndomain  %s\nmessage %s\n", g.Chain, g.Safe, g.Nonce, g.Hash, g.Domain, g.Message)
			return nil
		}}
	c.Flags().StringVar(&dataDir, "data", "lifeboat-data", "data `DIR` of the daemon")
	return c
}

// signatureMax bounds what is read of a file that should hold 132 characters.
const signatureMax = 4 << 10

// signatureOf takes 0x…, or @FILE as the tools of wallets write one: bare, or as a text of JSON.
func signatureOf(c *cobra.Command, given string) (string, error) {
	name, isFile := strings.CutPrefix(given, "@")
	if !isFile {
		return strings.TrimSpace(given), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return "", usage(c, fmt.Sprintf("the signature cannot be read: %v", err))
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, signatureMax))
	if err != nil {
		return "", usage(c, fmt.Sprintf("the signature cannot be read: %v", err))
	}
	return strings.Trim(strings.TrimSpace(string(content)), `"`), nil
}
