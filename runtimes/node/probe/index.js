'use strict';
// The probe of runtimes/contract.py: one route per promise of the shim.

const { setTimeout: sleep } = require('timers/promises');

const order = ['loaded'];
const released = latch();
const streamReleased = latch();
let running = 0;
let most = 0;
let waiting = 0;

function latch() {
  let open;
  const opened = new Promise((resolve) => { open = resolve; });
  return { open, opened };
}

function hook(name, context) {
  if (process.env.PROBE_FAIL === name) throw new Error('no database');
  order.push(name);
  context.state.hooks = order;
}

exports.init = async (context) => {
  if (process.env.PROBE_SLOW_INIT) {
    console.log('init began');
    await sleep(400);
  }
  hook('init', context);
};

exports.after_fork = (context) => hook('after_fork', context);

exports.shutdown = (context) => {
  hook('shutdown', context);
  console.log('shutdown hook ran');
};

exports.handle = (request, context) => routes[request.path.split('/')[1]](request, context);

const routes = {
  hello: (request) => `Hello ${request.query.get('name') ?? 'world'}`,
  echo: (request) => ({
    method: request.method,
    path: request.path,
    query_string: request.queryString,
    x: request.query.getAll('x'),
    y: request.query.get('y'),
    header: request.headers.get('x-mixed-CASE'),
    body: request.body.toString('base64'),
  }),
  header: (request) => request.headers.get('x-many'),
  bytes: () => Uint8Array.of(0, 255),
  object: () => ({ a: [1, null, '\u00e9'] }),
  nothing: () => undefined,
  body: (request) => request.body,
  json: (request) => request.json(),
  created: (request, context) => context.response('made', 201,
    { 'Set-Cookie': ['a=1', 'b=2'], 'content-TYPE': 'text/custom' }),
  context: (request, context) => ({
    service: context.service,
    revision: context.revision,
    configuration: context.configuration,
    request_id: context.requestId,
    trace: context.trace,
    remaining_seconds: context.remaining() === null ? null : context.remaining() / 1000,
  }),
  log: (request, context) => context.logger.info('sold', { basket: 7 }),
  print: () => console.log('a printed line'),
  count: (request, context) => {
    context.state.count = (context.state.count ?? 0) + 1;
    return String(context.state.count);
  },
  overlap: async () => {
    most = Math.max(most, ++running);
    await sleep(150);
    running--;
    return 'done';
  },
  most: () => String(most),
  slow: async (request) => {
    await sleep(Number(request.query.get('milliseconds')));
    return 'done';
  },
  wait: async () => {
    waiting++;
    await released.opened;
    return 'waited';
  },
  waiting: () => String(waiting),
  'release-after-drain': async () => {
    console.log('releasing soon');
    await sleep(300);
    released.open();
    return 'released';
  },
  release: () => {
    streamReleased.open();
    return 'released';
  },
  hooks: (request, context) => context.state.hooks.join(','),
  * stream(request) {
    for (let i = 0; i < Number(request.query.get('pieces')); i++) yield `piece ${i}\n`;
  },
  async* 'stream-held'() {
    yield 'first\n';
    await streamReleased.opened;
    yield 'second\n';
  },
  * 'stream-big'(request) {
    for (let i = 0; i < Number(request.query.get('megabytes')); i++) yield Buffer.alloc(1024 * 1024);
  },
  async* 'stream-fails'() {
    yield 'one';
    throw new Error('no more pieces');
  },
  async* 'stream-fails-at-once'() {
    throw new Error('no piece at all');
  },
  * 'stream-endless'() {
    try {
      for (;;) yield 'more and more\n'.repeat(1000);
    } finally {
      console.log('endless stream closed');
    }
  },
  fail: () => {
    throw new RangeError('it broke');
  },
  'bad-return': () => () => {},
  'bad-header': (request, context) => context.response('x', 200, { 'X-Evil': 'a\r\nSet-Cookie: b' }),
  'bad-status': (request, context) => context.response('x', 99),
  'bad-framing': (request, context) => context.response('x', 200, { 'Transfer-Encoding': 'chunked' }),
};
