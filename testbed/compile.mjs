// Compiles what is new in contracts/ into cache/, and takes the Roles modifier and Permit2 out of packages that have them as source code
// only. The Go side finds a file of the cache by the same name: text of the contract, this script and the lock file, hashed.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, existsSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const require = createRequire(import.meta.url)
const here = dirname(fileURLToPath(import.meta.url))
const read = (...path) => readFileSync(join(here, ...path), 'utf8')

const cached = file => {
  const sum = createHash('sha256')
  const own = file.endsWith('.sol') ? ['contracts/' + file] : []
  for (const part of [...own, 'compile.mjs', 'package-lock.json']) sum.update(read(part))
  return join(here, 'cache', `${file}-${sum.digest('hex').slice(0, 16)}.json`)
}

const write = (path, value) => {
  mkdirSync(dirname(path), { recursive: true })
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, JSON.stringify(value))
  renameSync(draft, path)
}

// compile turns each of our files into a file of the cache: contract → { abi, bytecode }.
const compile = files => {
  const solc = require('solc')
  const input = {
    language: 'Solidity',
    sources: Object.fromEntries(files.map(f => [f, { content: read('contracts', f) }])),
    settings: {
      optimizer: { enabled: true, runs: 200 },
      evmVersion: 'cancun',
      outputSelection: Object.fromEntries(files.map(f => [f, { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object'] }]))
    }
  }
  const find = path => ({ contents: read('node_modules', path) })
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: find }))
  const errors = (output.errors ?? []).filter(e => e.severity === 'error')
  if (errors.length > 0) throw new Error(errors.map(e => e.formattedMessage).join('\n'))
  for (const file of files) {
    const contracts = Object.entries(output.contracts[file])
    write(cached(file), Object.fromEntries(contracts.map(([name, c]) => [name, { abi: c.abi, bytecode: c.evm.bytecode.object, deployedBytecode: c.evm.deployedBytecode.object }])))
  }
}

// The libraries that Roles links, by the marks that its compiler left in the code.
const marks = { Integrity: '__$2cd9b773a3c3e0b461f7ad54b09f46e6ae$__', Packer: '__$1416e18a31f8412bde5440018f19e21267$__' }

// zodiac takes the Roles modifier out of its SDK, which has ABI and code as JavaScript only.
const zodiac = () => {
  const sdk = require('zodiac-roles-sdk/typechain')
  const contract = name => {
    const { abi, bytecode } = sdk[name + '__factory']
    const links = library => [...bytecode.matchAll(marks[library].replaceAll('$', '\\$'))].map(m => ({ start: (m.index - 2) / 2 }))
    return { abi, bytecode, linkReferences: { sdk: Object.fromEntries(Object.keys(marks).map(l => [l, links(l)])) } }
  }
  write(cached('zodiac'), Object.fromEntries(['Roles', 'Integrity', 'Packer', 'MultiSendUnwrapper'].map(n => [n, contract(n)])))
}

// permit2 is what the package of Uniswap's universal router was tested with: TypeScript, out of which the two constants are read.
const permit2 = () => {
  const source = read('node_modules', '@uniswap/universal-router/typechain/factories/Permit2__factory.ts')
  const [, abi] = source.match(/const _abi = (\[[\s\S]*?\n\]);/)
  const [, bytecode] = source.match(/const _bytecode =\s*"(0x[0-9a-f]+)";/)
  write(cached('permit2'), { Permit2: { abi: new Function('return ' + abi)(), bytecode } })
}

const files = readdirSync(join(here, 'contracts')).filter(f => f.endsWith('.sol') && !existsSync(cached(f)))
if (files.length > 0) compile(files)
if (!existsSync(cached('zodiac'))) zodiac()
if (!existsSync(cached('permit2'))) permit2()
