package safe

import (
	"cmp"
	"slices"

	"github.com/ethereum/go-ethereum/common"
)

// Deployment is a contract of Safe's that stands at the same address on every chain which has it.
type Deployment struct {
	Name    string
	Version string
	Address common.Address
	Code    common.Hash // Keccak-256 of its code
}

// Source of the tables below: github.com/safe-global/safe-deployments, folder src/assets, commit d0989c95929c of 17 August
// 2026, deployments "canonical" and "eip155". Those of zkSync, whose code is another, are left out.

// MultiSends are the contracts that carry a batch of calls out and can do nothing else. They are the only ones that a Safe is lent to
// by a delegate call without the owner's having named them.
var MultiSends = []Deployment{
	{"MultiSendCallOnly", "1.3.0", common.HexToAddress("0x40A2aCCbd92BCA938b02010E17A5b8929b49130D"), common.HexToHash("0xa9865ac2d9c7a1591619b188c4d88167b50df6cc0c5327fcbd1c8c75f7c066ad")},
	{"MultiSendCallOnly", "1.3.0", common.HexToAddress("0xA1dabEF33b3B82c7814B6D82A79e50F4AC44102B"), common.HexToHash("0xa9865ac2d9c7a1591619b188c4d88167b50df6cc0c5327fcbd1c8c75f7c066ad")},
	{"MultiSendCallOnly", "1.4.1", common.HexToAddress("0x9641d764fc13c8B624c04430C7356C1C7C8102e2"), common.HexToHash("0xecd5bd14a08c5d2122379900b2f272bdf107a7e92423c10dd5fe3254386c9939")},
	{"MultiSendCallOnly", "1.5.0", common.HexToAddress("0xA83c336B20401Af773B6219BA5027174338D1836"), common.HexToHash("0xcdbdcec38d2f1c7d961b0029ff8416b7e86e9974d6f0e9c9580c7d17fcfb6663")},
}

// mixedMultiSends let their batches make delegate calls, and are never used.
var mixedMultiSends = []Deployment{
	{"MultiSend", "1.3.0", common.HexToAddress("0xA238CBeb142c10Ef7Ad8442C6D1f9E89e07e7761"), common.HexToHash("0x0208282bd262360d0320862c5ac70f375f5ed3b9d89a83a615b4d398415bdc83")},
	{"MultiSend", "1.3.0", common.HexToAddress("0x998739BFdAAdde7C933B942a68053933098f9EDa"), common.HexToHash("0x81db0e4afdf5178583537b58c5ad403bd47a4ac7f9bde2442ef3e341d433126a")},
	{"MultiSend", "1.4.1", common.HexToAddress("0x38869bf66a61cF6bDB996A6aE40D5853Fd43B526"), common.HexToHash("0x0e4f7fc66550a322d1e7688e181b75e217e662a4f3f4d6a29b22bc61217c4b77")},
	{"MultiSend", "1.5.0", common.HexToAddress("0x218543288004CD07832472D464648173c77D7eB7"), common.HexToHash("0xca1147a12963172a93910c5cb2bfa5ad0e941c7f03fc7eb017dd06a8ea4e5604")},
}

// Implementations are the contracts whose code a Safe runs.
var Implementations = []Deployment{
	{"Safe", "1.3.0", common.HexToAddress("0xd9Db270c1B5E3Bd161E8c8503c55cEABeE709552"), common.HexToHash("0xbba688fbdb21ad2bb58bc320638b43d94e7d100f6f3ebaab0a4e4de6304b1c2e")},
	{"Safe", "1.3.0", common.HexToAddress("0x69f4D1788e39c87893C980c06EdF4b7f686e2938"), common.HexToHash("0xbba688fbdb21ad2bb58bc320638b43d94e7d100f6f3ebaab0a4e4de6304b1c2e")},
	{"SafeL2", "1.3.0", common.HexToAddress("0x3E5c63644E683549055b9Be8653de26E0B4CD36E"), common.HexToHash("0x21842597390c4c6e3c1239e434a682b054bd9548eee5e9b1d6a4482731023c0f")},
	{"SafeL2", "1.3.0", common.HexToAddress("0xfb1bffC9d739B8D520DaF37dF666da4C687191EA"), common.HexToHash("0x21842597390c4c6e3c1239e434a682b054bd9548eee5e9b1d6a4482731023c0f")},
	{"Safe", "1.4.1", common.HexToAddress("0x41675C099F32341bf84BFc5382aF534df5C7461a"), common.HexToHash("0x1fe2df852ba3299d6534ef416eefa406e56ced995bca886ab7a553e6d0c5e1c4")},
	{"SafeL2", "1.4.1", common.HexToAddress("0x29fcB43b46531BcA003ddC8FCB67FFE91900C762"), common.HexToHash("0xb1f926978a0f44a2c0ec8fe822418ae969bd8c3f18d61e5103100339894f81ff")},
	{"Safe", "1.5.0", common.HexToAddress("0xFf51A5898e281Db6DfC7855790607438dF2ca44b"), common.HexToHash("0xdda019cbd7c867a533a2a86e5c53434fdc50b13122b5a5ddb4a8df61b31c20f2")},
	{"SafeL2", "1.5.0", common.HexToAddress("0xEdd160fEBBD92E350D4D398fb636302fccd67C7e"), common.HexToHash("0x180193227186ccb85316c94db1f0d156ed932b14712cfaac78901899178572dc")},
}

// fallbackHandlers answer for a Safe what it does not itself understand, such as whether a signature is its own.
var fallbackHandlers = []Deployment{
	{"CompatibilityFallbackHandler", "1.3.0", common.HexToAddress("0xf48f2B2d2a534e402487b3ee7C18c33Aec0Fe5e4"), common.HexToHash("0x03e69f7ce809e81687c69b19a7d7cca45b6d551ffdec73d9bb87178476de1abf")},
	{"CompatibilityFallbackHandler", "1.3.0", common.HexToAddress("0x017062a1dE2FE6b99BE3d9d37841FeD19F573804"), common.HexToHash("0x03e69f7ce809e81687c69b19a7d7cca45b6d551ffdec73d9bb87178476de1abf")},
	{"CompatibilityFallbackHandler", "1.4.1", common.HexToAddress("0xfd0732Dc9E303f09fCEf3a7388Ad10A83459Ec99"), common.HexToHash("0x7c6007a5d711cea8dfd5d91f5940ec29c7f200fe511eb1fc1397b367af3c42f9")},
	{"CompatibilityFallbackHandler", "1.5.0", common.HexToAddress("0x3EfCBb83A4A7AfcB4F68D501E2c2203a38be77f4"), common.HexToHash("0x3c6a85bcf7b563daa624b884b4e9a1b9fa5371edde7be945d998071a48f28bbc")},
	{"ExtensibleFallbackHandler", "1.5.0", common.HexToAddress("0x85a8ca358D388530ad0fB95D0cb89Dd44Fc242c3"), common.HexToHash("0xba5bafdfba82e226b6dc8ae29bedf5026bd854ab4bee00128ca322717a5f2acf")},
}

// MultiSendFor is the contract that carries out the batches of a Safe of a version: the one of its own version, else the newest.
// Whether it is there on the chain, its code says ([Deployment.Stands]).
func MultiSendFor(version string) Deployment {
	if i := slices.IndexFunc(MultiSends, func(d Deployment) bool { return d.Version == version }); i >= 0 {
		return MultiSends[i]
	}
	return slices.MaxFunc(MultiSends, func(a, b Deployment) int { return cmp.Compare(a.Version, b.Version) })
}

// deployed finds an address in a table.
func deployed(table []Deployment, address common.Address) (Deployment, bool) {
	i := slices.IndexFunc(table, func(d Deployment) bool { return d.Address == address })
	if i < 0 {
		return Deployment{}, false
	}
	return table[i], true
}
