'use strict';
// Entry point: node RUNTIME/shim.js, in the directory of the function bundle. See runtimes/README.md.

const { report } = require('./lib/answer.js');
const { EXIT, StartFailure, load } = require('./lib/load.js');
const { Server } = require('./lib/serve.js');

// What the environment says about listening and concurrency.
function readSettings(environment) {
  const descriptor = number(environment, 'TIDEMILL_LISTEN_FD', 0, 1 << 20);
  const port = number(environment, 'PORT', 1, 65535);
  const path = environment.TIDEMILL_SOCKET ?? '';
  const concurrency = number(environment, 'TIDEMILL_CONCURRENCY', 0, 100000) ?? 0;
  if (descriptor !== undefined) {
    return { concurrency, where: { fd: descriptor }, named: `the descriptor ${descriptor} (TIDEMILL_LISTEN_FD)` };
  }
  if (path !== '') return { concurrency, where: { path, backlog: 1024 }, named: `${path} (TIDEMILL_SOCKET)` };
  if (port !== undefined) {
    return { concurrency, where: { port, host: '0.0.0.0', backlog: 1024 }, named: `0.0.0.0:${port} (PORT)` };
  }
  throw new StartFailure(EXIT.badEnvironment, 'nowhere to listen: none of TIDEMILL_LISTEN_FD, TIDEMILL_SOCKET and '
    + 'PORT is set.\nTo try the function by hand: PORT=8080.');
}

function number(environment, name, least, most) {
  const text = environment[name] ?? '';
  if (text === '') return undefined;
  const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : -1;
  if (value < least || value > most) {
    throw new StartFailure(EXIT.badEnvironment, `${name} is not a number from ${least} to ${most}: ${text}`);
  }
  return value;
}

async function start() {
  const settings = readSettings(process.env);
  const bundle = await load(process.env);
  const server = new Server(bundle, settings.concurrency);
  // Before the hooks, so that a SIGTERM that comes during a long init is kept, not deadly.
  let stop;
  const stopped = new Promise((resolve) => { stop = resolve; });
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  for (const hook of ['init', 'after_fork']) {
    try {
      await bundle.runHook(hook);
    } catch (error) {
      report(error, `the ${hook} hook failed`);
      throw new StartFailure(EXIT.initFailed, `the ${hook} hook failed: ${error?.message ?? error}`);
    }
  }
  try {
    // Left by a process that was killed.
    if (settings.where.path) require('fs').rmSync(settings.where.path, { force: true });
    await server.listen(settings.where);
  } catch (error) {
    throw new StartFailure(EXIT.cannotListen, `cannot listen on ${settings.named}: ${error.message}`);
  }
  await stopped;
  await server.drain();
  try {
    await bundle.runHook('shutdown');
  } catch (error) {
    report(error, 'the shutdown hook failed');
    process.exit(EXIT.shutdownFailed);
  }
  process.exit(0);
}

start().catch((error) => {
  if (!(error instanceof StartFailure)) throw error;
  process.stderr.write(`tidemill: cannot start: ${error.message}\n`);
  process.exit(error.status); // timers that the module started cannot keep a dead function alive
});
