'use strict';
// Serves a bundle on Node's event loop. A call beyond the concurrency limit waits in the order of arrival.

const net = require('net');
const { StreamFraming, answerOf, failure, failureOf, headOf, report } = require('./answer.js');
const { Parser, Rejected } = require('./http.js');

const READY_PATH = '/.well-known/tidemill/ready';
const CONNECTIONS_MAX = 4096;
const PIPELINED_BYTES_MAX = 256 * 1024; // read no further while a call runs
const SEND_STALL_MS = 60_000; // a client that takes nothing for so long is gone

class Server {
  #callsMax;
  #calls = 0;
  #waiting = [];
  #server;
  #drained = null;
  bundle;
  connections = new Set();
  isDraining = false;

  constructor(bundle, concurrency) {
    this.bundle = bundle;
    this.#callsMax = concurrency === 0 ? Infinity : concurrency;
    this.#server = net.createServer({ allowHalfOpen: true, noDelay: true },
      (socket) => new Connection(this, socket));
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  // Resolves when connections are accepted, rejects when that cannot be.
  listen(where) {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(where, resolve);
    });
  }

  // Stops accepting, and resolves when every call that has come has been answered.
  drain() {
    this.isDraining = true;
    return new Promise((resolve) => {
      this.#drained = resolve;
      // Two turns of the loop take in what had connected and written before.
      setImmediate(() => setImmediate(() => {
        this.#server.close();
        for (const connection of this.connections) connection.closeIfIdle();
        this.resolveIfDrained();
      }));
    });
  }

  resolveIfDrained() {
    if (this.#drained !== null && !this.#server.listening && this.connections.size === 0) this.#drained();
  }

  // Resolves when a call may run; release() after it.
  acquire() {
    if (this.#calls < this.#callsMax) {
      this.#calls++;
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  release() {
    const next = this.#waiting.shift();
    if (next === undefined) this.#calls--;
    else next();
  }
}

class Connection {
  #server;
  #socket;
  #parser = new Parser();
  #isBusy = false;
  #isGone = false;

  constructor(server, socket) {
    this.#server = server;
    this.#socket = socket;
    server.connections.add(this);
    socket.on('data', (data) => {
      this.#parser.feed(data);
      if (!this.#isBusy) this.#next();
      else if (this.#parser.buffered() > PIPELINED_BYTES_MAX) socket.pause();
    });
    socket.on('end', () => {
      if (!this.#isBusy) socket.end();
    });
    socket.on('error', () => socket.destroy()); // the client's end; 'close' follows
    socket.on('close', () => {
      this.#isGone = true;
      socket.emit('drain'); // whoever waits to write goes on, and sees that it is gone
      server.connections.delete(this);
      server.resolveIfDrained();
    });
  }

  closeIfIdle() {
    if (!this.#isBusy && this.#parser.isIdle()) this.#socket.end(() => this.#socket.destroy());
  }

  #next() {
    let request;
    try {
      request = this.#parser.next();
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
      const answer = failure(error.status, error.message, 'BadRequest');
      this.#isBusy = true; // nothing that follows on this connection can be trusted
      this.#socket.removeAllListeners('data');
      this.#socket.resume();
      this.#socket.end(headOf(answer, null, true).head + answer.body);
      this.#socket.setTimeout(2000, () => this.#socket.destroy()); // reads on, so that no reset eats the answer
      return;
    }
    if (request !== null) {
      this.#isBusy = true;
      this.#serve(request);
    } else if (this.#parser.wantsContinue) {
      this.#parser.wantsContinue = false;
      this.#socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    } else if (this.#server.isDraining) {
      this.closeIfIdle();
    } else if (this.#socket.readableEnded) {
      this.#socket.end();
    }
  }

  async #serve(request) {
    let keep = false;
    try {
      keep = await this.#answer(request);
    } catch (error) {
      report(error, `answering ${request.path} failed`);
    }
    if (this.#isGone) return;
    if (keep === false) {
      this.#socket.end(() => this.#socket.destroy());
      return;
    }
    this.#isBusy = false;
    this.#socket.resume();
    this.#next();
  }

  // True if the connection may go on; a broken stream destroys the socket itself.
  async #answer(request) {
    if (request.path === READY_PATH) return this.#send(request, answerOf('ready\n'), '');
    const found = this.#server.bundle.find(request.path);
    if (found === undefined) {
      return this.#send(request, failure(404, `no function of this project serves ${request.path}`,
        'NoSuchFunction'), '');
    }
    const turn = this.#server.acquire();
    if (turn !== undefined) await turn;
    try {
      let answer;
      try {
        let result = found.call(request, found.context.forRequest(request));
        if (typeof result?.then === 'function') result = await result;
        answer = answerOf(result);
      } catch (error) {
        answer = failureOf(error, found.name);
      }
      return await this.#send(request, answer, found.name);
    } finally {
      this.#server.release();
    }
  }

  async #send(request, answer, name) {
    let { stream } = answer;
    const original = stream;
    const mustClose = () => this.#server.isDraining || !request.keepAlive;
    try {
      let framed;
      let pieces = null;
      let first = null;
      try {
        if (stream !== null && request.method !== 'HEAD') first = await stream.next();
        framed = headOf(answer, request, mustClose());
        pieces = new StreamFraming(framed.framing, answer.length);
        if (first !== null) first = first.done ? pieces.end() : pieces.piece(first.value);
      } catch (error) {
        answer = failureOf(error, name);
        stream = null;
        framed = headOf(answer, request, mustClose());
      }
      const { head, framing, close } = framed;
      if (stream === null || framing === 'none') {
        if (framing === 'none') this.#socket.write(head);
        else if (typeof answer.body === 'string') this.#socket.write(head + answer.body);
        else {
          this.#socket.cork();
          this.#socket.write(head, 'latin1');
          this.#socket.write(answer.body);
          this.#socket.uncork();
        }
        await this.#flushed();
        return !close;
      }
      await this.#sendStream(head, first, stream, pieces, name);
      return !close;
    } finally {
      closeStream(original);
    }
  }

  async #sendStream(head, first, stream, pieces, name) {
    try {
      this.#socket.cork();
      this.#socket.write(head, 'latin1');
      if (first.length > 0) this.#socket.write(first);
      this.#socket.uncork();
      if (first === '0\r\n\r\n') return;
      while (!this.#isGone) {
        await this.#flushed();
        const { value, done } = await stream.next();
        const data = done ? pieces.end() : pieces.piece(value);
        if (data.length > 0) this.#socket.write(data);
        if (done) return;
      }
    } catch (error) {
      // The status is sent; a body cut short is the only sign of failure that is left.
      report(error, `${name} failed while streaming`);
      this.#socket.destroy();
    }
  }

  // Undefined or a promise: when the client has taken enough to be sent more, or is gone.
  #flushed() {
    const socket = this.#socket;
    if (this.#isGone || !socket.writableNeedDrain) return undefined;
    return new Promise((resolve) => {
      socket.setTimeout(SEND_STALL_MS, () => socket.destroy());
      socket.once('drain', () => {
        socket.setTimeout(0);
        resolve();
      });
    });
  }
}

function closeStream(stream) {
  Promise.resolve(stream?.return?.()).catch((error) => report(error, 'closing a stream failed'));
}

module.exports = { Server };
