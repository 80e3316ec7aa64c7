'use strict';
// What a function sees: Request, Headers, Context, Response. Heavier globals (URLSearchParams) are touched
// on first use only, because each is paid for by a cold start.

// The caller's mistake: answered as 400 with this message instead of 500.
class BadInput extends Error {
  constructor(message) {
    super(message);
    this.name = 'BadInput';
    this.status = 400;
  }
}

// Header fields; names compare without case. A repeated field is joined with ", " ("; " for cookie) by
// get(); getAll() keeps it apart.
class Headers {
  #fields = new Map();

  constructor(fields = []) {
    for (const [name, value] of fields) {
      const key = name.toLowerCase();
      const values = this.#fields.get(key);
      if (values === undefined) this.#fields.set(key, [value]);
      else values.push(value);
    }
  }

  get(name) {
    const key = name.toLowerCase();
    return this.#fields.get(key)?.join(key === 'cookie' ? '; ' : ', ');
  }

  getAll(name) {
    return [...(this.#fields.get(name.toLowerCase()) ?? [])];
  }

  has(name) {
    return this.#fields.has(name.toLowerCase());
  }

  keys() {
    return this.#fields.keys();
  }

  *entries() {
    for (const name of this.#fields.keys()) yield [name, this.get(name)];
  }

  [Symbol.iterator]() {
    return this.entries();
  }

  toJSON() {
    return Object.fromEntries(this.entries());
  }
}

// One call; the body is complete when the function is called.
//   method, path (as sent, without query, not decoded), queryString, query (URLSearchParams), headers,
//   body (Buffer), text(), json()
class Request {
  #query;

  constructor(method, path, queryString, version, headers, keepAlive) {
    this.method = method;
    this.path = path;
    this.queryString = queryString;
    this.version = version;
    this.headers = headers;
    this.keepAlive = keepAlive;
    this.body = null;
  }

  get query() {
    this.#query ??= new URLSearchParams(this.queryString);
    return this.#query;
  }

  // The body in the charset that Content-Type names, else UTF-8. BadInput if it is not that.
  text() {
    const found = /charset="?([^";]+)/i.exec(this.headers.get('content-type') ?? '');
    const charset = found ? found[1].trim() : 'utf-8';
    try {
      return new TextDecoder(charset, { fatal: true }).decode(this.body);
    } catch (error) {
      throw new BadInput(`the request body is not ${charset} text: ${error.message}`);
    }
  }

  // The body as JSON. BadInput if it is not JSON.
  json() {
    try {
      return JSON.parse(this.body.toString('utf8'));
    } catch (error) {
      throw new BadInput(`the request body is not JSON: ${error.message}`);
    }
  }
}

// An answer with everything said. headers is an object (an array value repeats the header) or a list of
// [name, value].
class Response {
  constructor(body = '', status = 200, headers = {}) {
    this.body = body;
    this.status = status;
    this.headers = headers;
  }
}

// Writes one JSON object per line to stderr; `fields` become members of it.
class Logger {
  #fields;

  constructor(fields) {
    this.#fields = fields;
  }

  debug(message, fields) {
    this.#write('debug', message, fields);
  }

  info(message, fields) {
    this.#write('info', message, fields);
  }

  warning(message, fields) {
    this.#write('warning', message, fields);
  }

  error(message, fields) {
    this.#write('error', message, fields);
  }

  #write(level, message, fields) {
    const line = { level, message: String(message), ...this.#fields };
    if (message instanceof Error) line.stack = message.stack;
    for (const [name, value] of Object.entries(fields ?? {})) {
      line[name] = value instanceof Error ? value.stack : value;
    }
    process.stderr.write(JSON.stringify(line) + '\n');
  }
}

// What a function passes on when it calls others, so that one trace and one request id span them all.
const PROPAGATED = ['traceparent', 'tracestate', 'baggage', 'x-request-id', 'x-request-deadline', 'b3',
  'x-b3-traceid', 'x-b3-spanid', 'x-b3-parentspanid', 'x-b3-sampled', 'x-b3-flags'];

// Where and for whom the function runs.
//   service, revision, configuration   names of what is deployed
//   function     the handler that was chosen, "orders.js:handle"
//   state        an object kept between calls of this process, one per handler file; hooks see the same
//   requestId    from X-Request-Id, or made here; empty in hooks
//   deadline     Unix time in milliseconds after which nobody waits for the answer, or null
//   trace        headers to pass on in calls to others
//   logger       structured log on stderr that carries the request id
//   response()   makes a Response
class Context {
  #headers = null;
  #logger = null;

  constructor(service, revision, configuration, name, state) {
    this.service = service;
    this.revision = revision;
    this.configuration = configuration;
    this.function = name;
    this.state = state;
    this.requestId = '';
    this.deadline = null;
  }

  // A context of the same function for one call. BadInput if its deadline is unreadable.
  forRequest(request) {
    const made = new Context(this.service, this.revision, this.configuration, this.function, this.state);
    made.#headers = request.headers;
    made.requestId = request.headers.get('x-request-id') || randomId();
    const deadline = request.headers.get('x-request-deadline');
    if (deadline !== undefined) {
      if (!/^\d{1,12}(\.\d+)?$/.test(deadline)) {
        throw new BadInput(`X-Request-Deadline is not a Unix time in seconds: ${deadline}`);
      }
      made.deadline = Number(deadline) * 1000;
    }
    return made;
  }

  get trace() {
    const found = {};
    if (this.#headers === null) return found;
    for (const name of PROPAGATED) {
      if (this.#headers.has(name)) found[name] = this.#headers.get(name);
    }
    found['x-request-id'] = this.requestId;
    return found;
  }

  get logger() {
    if (this.#logger === null) {
      const fields = { service: this.service, revision: this.revision, function: this.function };
      if (this.#headers !== null) {
        fields.request_id = this.requestId;
        const parent = (this.#headers.get('traceparent') ?? '').split('-');
        if (parent.length >= 4) fields.trace_id = parent[1];
      }
      this.#logger = new Logger(fields);
    }
    return this.#logger;
  }

  // Milliseconds until the deadline, never below 0, or null without a deadline.
  remaining() {
    return this.deadline === null ? null : Math.max(0, this.deadline - Date.now());
  }

  response(body, status, headers) {
    return new Response(body, status, headers);
  }
}

// Names a request in logs; uniqueness is wanted, secrecy is not, and the crypto module costs 2 ms to load.
function randomId() {
  let id = '';
  for (let word = 0; word < 2; word++) {
    id += Math.floor(Math.random() * 2 ** 32).toString(16).padStart(8, '0');
  }
  return id;
}

module.exports = { BadInput, Context, Headers, Request, Response };
