'use strict';
// Finds and imports what TIDEMILL_HANDLER or TIDEMILL_FUNCTIONS name, and runs the hooks.

const fs = require('fs');
const { report } = require('./answer.js');
const { Context } = require('./request.js');

// Exit statuses, one per way in which a start can fail. runtimes/README.md is their public list; Python
// uses the same.
const EXIT = {
  noHandlerFile: 70,
  importFailed: 71,
  noSuchFunction: 72,
  notCallable: 73,
  initFailed: 74,
  cannotListen: 75,
  badEnvironment: 76,
  shutdownFailed: 77,
};

const DEFAULT_FILES = ['index.js', 'index.mjs', 'index.cjs', 'handler.js', 'handler.mjs', 'handler.cjs'];
const EXTENSIONS = ['.js', '.mjs', '.cjs'];

// The function cannot be served; the process ends with this status after printing the message.
class StartFailure extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// All functions of the bundle, longest prefix first, and the files they come from in order of loading.
class Bundle {
  #functions;
  #modules;

  constructor(functions, modules) {
    this.#functions = functions.sort((one, other) => other.prefix.length - one.prefix.length);
    this.#modules = modules;
  }

  // The function for a path, or undefined. A prefix ends at a slash: /a serves /a and /a/b, not /ab.
  find(path) {
    return this.#functions.find(({ prefix }) => prefix === '/' || path === prefix
      || (path.startsWith(prefix) && path[prefix.length] === '/'));
  }

  // Calls the hook of every file that has one. Rejects with what the hook throws.
  async runHook(name) {
    for (const { exported, context } of this.#modules) {
      const hook = member(exported, name);
      if (typeof hook === 'function') await hook(context);
    }
  }
}

// The bundle in the working directory. Rejects with StartFailure, for the person who wrote it.
async function load(environment) {
  const root = process.cwd();
  const makeContext = (name, state) => new Context(environment.K_SERVICE ?? '', environment.K_REVISION ?? '',
    environment.K_CONFIGURATION ?? '', name, state);
  const modules = new Map();
  const functions = [];
  for (const { prefix, file, name } of wanted(environment, root)) {
    if (!modules.has(file)) {
      const exported = await importFile(file, root);
      modules.set(file, { exported, context: makeContext(file, {}) });
    }
    const { exported, context } = modules.get(file);
    const label = `${file}:${name}`;
    functions.push({ prefix, name: label, call: pick(exported, file, name),
      context: makeContext(label, context.state) });
  }
  return new Bundle(functions, [...modules.values()]);
}

function wanted(environment, root) {
  const table = environment.TIDEMILL_FUNCTIONS ?? '';
  if (table === '') return [{ prefix: '/', ...split(environment.TIDEMILL_HANDLER ?? '', root) }];
  let functions;
  try {
    functions = JSON.parse(table);
  } catch {
    functions = null;
  }
  const entries = functions !== null && typeof functions === 'object' && !Array.isArray(functions)
    ? Object.entries(functions) : [];
  if (entries.length === 0 || entries.some(([prefix, handler]) => !prefix.startsWith('/')
    || typeof handler !== 'string' || handler === '')) {
    throw new StartFailure(EXIT.badEnvironment, 'TIDEMILL_FUNCTIONS is not a JSON object of path prefix and '
      + `handler, like {"/orders": "orders.js:handle"}: ${table}`);
  }
  return entries.map(([prefix, handler]) => ({ prefix: prefix.replace(/\/+$/, '') || '/',
    ...split(handler, root) }));
}

// File (relative to the bundle) and function of a handler name.
function split(handler, root) {
  if (handler === '') return { file: defaultFile(root), name: 'handle' };
  const colon = handler.lastIndexOf(':');
  const name = colon < 0 ? 'handle' : handler.slice(colon + 1);
  let file = (colon < 0 ? handler : handler.slice(0, colon)).replace(/^\.\//, '');
  if (file === '' || name === '' || file.startsWith('/') || file.split('/').includes('..')) {
    throw new StartFailure(EXIT.badEnvironment, 'TIDEMILL_HANDLER is module:function or file.js:function inside '
      + `the bundle, not ${JSON.stringify(handler)}`);
  }
  if (!EXTENSIONS.some((extension) => file.endsWith(extension))) {
    file += EXTENSIONS.find((extension) => isFile(`${root}/${file}${extension}`)) ?? '.js';
  }
  if (!isFile(`${root}/${file}`)) {
    throw new StartFailure(EXIT.noHandlerFile, `the handler ${handler} names the file ${file}, which is not in `
      + `the bundle.\n${listing(root)}\nSet TIDEMILL_HANDLER to a file that is there.`);
  }
  return { file, name };
}

function defaultFile(root) {
  const manifest = readManifest(root);
  if (typeof manifest.main === 'string') {
    const main = manifest.main.replace(/^\.\//, '');
    const file = [main, `${main}.js`, `${main}/index.js`].find((each) => isFile(`${root}/${each}`));
    if (file === undefined) {
      throw new StartFailure(EXIT.noHandlerFile, `package.json names ${manifest.main} as main, which is not in `
        + `the bundle.\n${listing(root)}\nCorrect "main", or set TIDEMILL_HANDLER=file.js:function.`);
    }
    return file;
  }
  const file = DEFAULT_FILES.find((each) => isFile(`${root}/${each}`));
  if (file === undefined) {
    throw new StartFailure(EXIT.noHandlerFile, `no handler file: looked for "main" in package.json and for ${
      DEFAULT_FILES.join(', ')}.\n${listing(root)}\nName one of these files index.js, or set `
      + 'TIDEMILL_HANDLER=file.js:function.');
  }
  return file;
}

function readManifest(folder) {
  let text;
  try {
    text = fs.readFileSync(`${folder}/package.json`, 'utf8');
  } catch {
    return {};
  }
  try {
    return JSON.parse(text) ?? {};
  } catch (error) {
    throw new StartFailure(EXIT.importFailed, `package.json is not JSON: ${error.message}`);
  }
}

function isFile(path) {
  return fs.statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function listing(root) {
  const names = fs.readdirSync(root).filter((name) => !name.startsWith('.')).sort();
  if (names.length === 0) return 'The bundle is empty.';
  const more = names.length <= 20 ? '' : `, and ${names.length - 20} more`;
  return `The bundle holds: ${names.slice(0, 20).join(', ')}${more}.`;
}

// import() reads every kind of module but starts a loader that costs 5 ms, so CommonJS goes by require().
function isEsModule(file, root) {
  if (!file.endsWith('.js')) return file.endsWith('.mjs');
  for (let folder = file.split('/').slice(0, -1); ; folder.pop()) {
    const path = [root, ...folder].join('/');
    if (isFile(`${path}/package.json`)) return readManifest(path).type === 'module';
    if (folder.length === 0) return false;
  }
}

async function importFile(file, root) {
  try {
    const path = `${root}/${file}`;
    if (!isEsModule(file, root)) return require(path);
    return await import(require('url').pathToFileURL(path).href);
  } catch (error) {
    if (error instanceof StartFailure) throw error;
    report(error, `importing ${file} failed`);
    const message = error instanceof Error ? `${error.name}: ${error.message.split('\n')[0]}` : String(error);
    throw new StartFailure(EXIT.importFailed, `importing ${file} failed: ${message}${hint(error, root)}`);
  }
}

function hint(error, root) {
  if (error?.code === 'MODULE_NOT_FOUND' || error?.code === 'ERR_MODULE_NOT_FOUND') {
    const missing = /Cannot find (?:module|package) '([^']+)'/.exec(error.message)?.[1] ?? '';
    if (missing.startsWith('.') || missing.startsWith('/')) return '';
    if (isFile(`${root}/package.json`) && !fs.existsSync(`${root}/node_modules`)) {
      return '\nThe bundle has a package.json but no node_modules: build it again, or run: npm ci --omit=dev';
    }
    return `\nAdd ${missing} to the dependencies in package.json and deploy again.`;
  }
  if (error instanceof SyntaxError && /import statement|Unexpected token 'export'/.test(error.message)) {
    return '\nIt is written as an ES module: name it .mjs, or put "type": "module" into package.json.';
  }
  return '';
}

// What a file exports under a name, be it CommonJS, an ES module, or an ES module with only a default.
function member(exported, name) {
  const found = exported?.[name];
  return found === undefined ? exported?.default?.[name] : found;
}

function pick(exported, file, name) {
  const found = member(exported, name);
  if (found === undefined) {
    const names = Object.keys(exported ?? {}).filter((key) => typeof exported[key] === 'function').sort();
    throw new StartFailure(EXIT.noSuchFunction, `${file} exports no function ${JSON.stringify(name)}. It exports: ${
      names.join(', ') || 'no function'}.\nWrite \`exports.${name} = (request, context) => …\` (or \`export `
      + `function ${name}\` in an ES module), or set TIDEMILL_HANDLER=${file}:name.`);
  }
  if (typeof found !== 'function') {
    throw new StartFailure(EXIT.notCallable, `${JSON.stringify(name)} in ${file} is ${
      found === null ? 'null' : `of type ${typeof found}`}, not a function. Write \`exports.${name} = `
      + '(request, context) => …`.');
  }
  return found;
}

module.exports = { EXIT, StartFailure, load };
