'use strict';
// HTTP/1.1 requests out of bytes, without I/O. Rejects, never repairs: what two parsers could read in two
// ways (a bare line feed, two lengths, a length and a coding, a folded line) is refused. Node's own http
// module would do, but costs 8 ms more of each cold start than this on top of net.

const { Headers, Request } = require('./request.js');

const HEAD_BYTES_MAX = 64 * 1024;
const HEAD_FIELDS_MAX = 200;
const CHUNK_LINE_BYTES_MAX = 4096;
const BODY_BYTES_MAX = 256 * 1024 * 1024;

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const TARGET = /^[\x21\x22\x24-\x7e]+$/;
const EMPTY = Buffer.alloc(0);

// The connection cannot go on: answer with this status, then close.
class Rejected extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// Bytes of one connection in by feed(), whole requests out by next(). wantsContinue is true while a
// request waits for "100 Continue" before it sends its body.
class Parser {
  #buffer = EMPTY;
  #request = null;
  #scanned = 0;
  #left = 0; // of the body, or of the chunk at hand
  #phase = 'head'; // head, body, size, data, end, trailer
  #pieces = [];
  #size = 0;
  #trailer = 0;
  #bodyBytesMax;
  wantsContinue = false;

  constructor(bodyBytesMax = BODY_BYTES_MAX) {
    this.#bodyBytesMax = bodyBytesMax;
  }

  feed(data) {
    this.#buffer = this.#buffer.length === 0 ? data : Buffer.concat([this.#buffer, data]);
  }

  // True between requests: nothing has come of the next one.
  isIdle() {
    return this.#phase === 'head' && this.#buffer.length === 0;
  }

  buffered() {
    return this.#buffer.length;
  }

  // The next whole request, or null if more bytes are needed. Throws Rejected.
  next() {
    if (this.#phase === 'head' && !this.#readHead()) return null;
    const done = this.#phase === 'body' ? this.#take() : this.#readChunks();
    if (!done) {
      if (this.#size > 0 || this.#buffer.length > 0) this.wantsContinue = false; // it did not wait
      return null;
    }
    const request = this.#request;
    request.body = this.#pieces.length === 1 ? this.#pieces[0] : Buffer.concat(this.#pieces, this.#size);
    this.#request = null;
    this.#pieces = [];
    this.#size = 0;
    this.#scanned = 0;
    this.#phase = 'head';
    this.wantsContinue = false;
    return request;
  }

  // Moves bytes of the body out of the buffer; true when none is left to come. Moving them at once keeps
  // feed() from copying a growing buffer.
  #take() {
    const piece = this.#buffer.subarray(0, this.#left);
    if (piece.length > 0) {
      this.#pieces.push(piece);
      this.#size += piece.length;
      this.#left -= piece.length;
      this.#buffer = this.#buffer.subarray(piece.length);
    }
    return this.#left === 0;
  }

  #readHead() {
    const buffer = this.#buffer;
    const end = buffer.indexOf('\r\n\r\n', Math.max(0, this.#scanned - 3), 'latin1');
    if (end > HEAD_BYTES_MAX || (end < 0 && buffer.length > HEAD_BYTES_MAX)) {
      throw new Rejected(431, `the request head is over ${HEAD_BYTES_MAX} bytes`);
    }
    if (end < 0) {
      this.#scanned = buffer.length;
      // Refused at once, not when the head is whole: such a sender may never send what we wait for.
      if (buffer.length > 0 && (buffer[0] <= 0x20 || (buffer.includes(10) && !buffer.includes('\r\n')))) {
        throw new Rejected(400, 'the request line is not HTTP');
      }
      return false;
    }
    const lines = buffer.latin1Slice(0, end).split('\r\n');
    this.#buffer = buffer.subarray(end + 4);
    const [method, target, version] = parseRequestLine(lines[0]);
    if (lines.length > HEAD_FIELDS_MAX + 1) {
      throw new Rejected(431, `over ${HEAD_FIELDS_MAX} header fields`);
    }
    const headers = new Headers(lines.slice(1).map(parseField));
    const hosts = headers.getAll('host').length;
    if (hosts > 1 || (hosts === 0 && version === '1.1')) {
      throw new Rejected(400, 'exactly one Host header is needed');
    }
    let keepAlive = version === '1.1';
    if (headers.has('connection')) {
      const options = headers.get('connection').toLowerCase().split(',').map((option) => option.trim());
      keepAlive = !options.includes('close') && (keepAlive || options.includes('keep-alive'));
    }
    const mark = target.indexOf('?');
    this.#request = new Request(method, mark < 0 ? target : target.slice(0, mark),
      mark < 0 ? '' : target.slice(mark + 1), version, headers, keepAlive);
    this.#findBody(headers, version);
    return true;
  }

  #findBody(headers, version) {
    const lengths = headers.getAll('content-length');
    this.#phase = 'body';
    this.#left = 0;
    if (headers.has('transfer-encoding')) {
      if (lengths.length > 0) throw new Rejected(400, 'both Content-Length and Transfer-Encoding');
      if (version === '1.0') throw new Rejected(400, 'Transfer-Encoding in HTTP/1.0');
      if (headers.get('transfer-encoding').toLowerCase() !== 'chunked') {
        throw new Rejected(400, 'the only transfer coding understood is chunked');
      }
      this.#phase = 'size';
      this.#trailer = 0;
    } else if (lengths.length > 0) {
      if (lengths.length > 1 || !/^[0-9]{1,15}$/.test(lengths[0])) {
        throw new Rejected(400, 'Content-Length is not one number');
      }
      this.#left = Number(lengths[0]);
      this.#checkSize(this.#left);
    }
    if (headers.has('expect')) {
      if (headers.get('expect').toLowerCase() !== '100-continue') {
        throw new Rejected(417, 'the only expectation understood is 100-continue');
      }
      this.wantsContinue = version === '1.1' && (this.#left > 0 || this.#phase === 'size');
    }
  }

  #checkSize(size) {
    if (size > this.#bodyBytesMax) {
      throw new Rejected(413, `the request body is over ${this.#bodyBytesMax} bytes`);
    }
  }

  #readChunks() {
    for (;;) {
      if (this.#phase === 'data') {
        if (!this.#take()) return false;
        this.#phase = 'end';
      }
      if (this.#phase === 'end') {
        if (this.#buffer.length < 2) return false;
        if (this.#buffer[0] !== 13 || this.#buffer[1] !== 10) {
          throw new Rejected(400, 'a chunk is longer than it says');
        }
        this.#buffer = this.#buffer.subarray(2);
        this.#phase = 'size';
      }
      const line = this.#readLine();
      if (line === null) return false;
      if (this.#phase === 'size') {
        const found = /^([0-9a-fA-F]{1,16})(;[\t\x20-\x7e\x80-\xff]*)?$/.exec(line);
        if (found === null) throw new Rejected(400, 'a chunk size is not a hexadecimal number');
        this.#left = parseInt(found[1], 16);
        this.#checkSize(this.#size + this.#left);
        this.#phase = this.#left > 0 ? 'data' : 'trailer';
      } else if (line !== '') { // trailer fields are checked and dropped: nothing may act on them unasked
        this.#trailer += line.length;
        if (this.#trailer > HEAD_BYTES_MAX) {
          throw new Rejected(431, `the trailer is over ${HEAD_BYTES_MAX} bytes`);
        }
        parseField(line);
      } else {
        return true;
      }
    }
  }

  #readLine() {
    const end = this.#buffer.indexOf('\r\n', 0, 'latin1');
    if (end > CHUNK_LINE_BYTES_MAX || (end < 0 && this.#buffer.length > CHUNK_LINE_BYTES_MAX)) {
      throw new Rejected(400, `a chunk line is over ${CHUNK_LINE_BYTES_MAX} bytes`);
    }
    if (end < 0) {
      if (this.#buffer.includes(10)) throw new Rejected(400, 'a line feed without a carriage return');
      return null;
    }
    const line = this.#buffer.latin1Slice(0, end);
    this.#buffer = this.#buffer.subarray(end + 2);
    return line;
  }
}

function parseRequestLine(line) {
  const parts = line.split(' ');
  if (parts.length !== 3 || !TOKEN.test(parts[0])) throw new Rejected(400, 'the request line is not HTTP');
  const [method, target, version] = parts;
  if (version !== 'HTTP/1.1' && version !== 'HTTP/1.0') {
    if (/^HTTP\/[02-9]\.[0-9]$/.test(version)) {
      throw new Rejected(505, 'only HTTP/1.1 and HTTP/1.0 are understood');
    }
    throw new Rejected(400, 'the request line is not HTTP');
  }
  if (!TARGET.test(target) || !(target[0] === '/' || (target === '*' && method === 'OPTIONS'))) {
    throw new Rejected(400, 'the request target is not a path');
  }
  return [method, target, version.slice(5)];
}

function parseField(line) {
  const colon = line.indexOf(':');
  const name = line.slice(0, colon);
  if (colon < 0 || !TOKEN.test(name)) throw new Rejected(400, 'a header name is not a token');
  if (!FIELD_VALUE.test(line)) throw new Rejected(400, 'a header value holds a control character');
  return [name, line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')];
}

module.exports = { FIELD_VALUE, Parser, Rejected, TOKEN };
