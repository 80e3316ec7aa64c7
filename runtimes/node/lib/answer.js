'use strict';
// From what a function returned to the bytes of an answer.

const { FIELD_VALUE, TOKEN } = require('./http.js');
const { Response } = require('./request.js');

const REASONS = { 200: 'OK', 201: 'Created', 202: 'Accepted', 204: 'No Content', 206: 'Partial Content',
  301: 'Moved Permanently', 302: 'Found', 303: 'See Other', 304: 'Not Modified',
  307: 'Temporary Redirect', 308: 'Permanent Redirect', 400: 'Bad Request', 401: 'Unauthorized',
  403: 'Forbidden', 404: 'Not Found', 405: 'Method Not Allowed', 409: 'Conflict', 410: 'Gone',
  413: 'Content Too Large', 417: 'Expectation Failed', 422: 'Unprocessable Content',
  429: 'Too Many Requests', 431: 'Request Header Fields Too Large', 500: 'Internal Server Error',
  501: 'Not Implemented', 502: 'Bad Gateway', 503: 'Service Unavailable', 504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported' };
// Framing belongs to the shim; a function that sets one of these wants what it cannot have.
const FRAMING = new Set(['transfer-encoding', 'connection', 'keep-alive', 'upgrade', 'te', 'trailer']);

// Status, header lines and a body: a Buffer or string when whole, else an iterator (stream).
class Answer {
  status = 200;
  lines = [];
  body = '';
  stream = null;
  length = null; // what the function said; null if it did not
  hasType = false;
}

// What a function returned, as an Answer. TypeError and RangeError say what is wrong with it.
function answerOf(value) {
  const answer = new Answer();
  if (value instanceof Response) {
    const { status } = value;
    if (!Number.isInteger(status) || status < 200 || status > 599) {
      throw new RangeError(`a status is a whole number from 200 to 599, not ${String(status)}`);
    }
    answer.status = status;
    addHeaders(answer, value.headers ?? {});
    value = value.body;
  }
  const contentType = setBody(answer, value);
  if (contentType !== '' && !answer.hasType) answer.lines.push(`Content-Type: ${contentType}`);
  return answer;
}

function setBody(answer, value) {
  if (typeof value === 'string') {
    answer.body = value;
    return 'text/plain; charset=utf-8';
  }
  if (value === undefined || value === null) {
    if (answer.status === 200) answer.status = 204;
    return '';
  }
  if (value instanceof Uint8Array) {
    answer.body = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    return 'application/octet-stream';
  }
  if (typeof value === 'object') {
    if (typeof value[Symbol.asyncIterator] === 'function') {
      answer.stream = value[Symbol.asyncIterator]();
      return 'application/octet-stream';
    }
    if (typeof value.next === 'function' && typeof value[Symbol.iterator] === 'function') {
      answer.stream = value[Symbol.iterator]();
      return 'application/octet-stream';
    }
  }
  if (['object', 'number', 'boolean'].includes(typeof value)) {
    answer.body = JSON.stringify(value);
    if (answer.body !== undefined) return 'application/json';
  }
  throw new TypeError('a function returns a string, Uint8Array, object, array, number, nothing, a '
    + `generator, a stream or context.response(body, status, headers), not ${typeof value}`);
}

function addHeaders(answer, headers) {
  const pairs = typeof headers[Symbol.iterator] === 'function' ? headers : Object.entries(headers);
  for (const [name, values] of pairs) {
    for (const item of Array.isArray(values) ? values : [values]) {
      const value = String(item);
      if (!TOKEN.test(name) || !FIELD_VALUE.test(value)) {
        throw new TypeError(`the response header ${JSON.stringify(name)}: ${JSON.stringify(value)} cannot be `
          + 'sent: a name is a token, a value is Latin-1 without control characters');
      }
      const lower = name.toLowerCase();
      if (FRAMING.has(lower)) {
        throw new TypeError(`the response header ${name} belongs to the connection and cannot be set`);
      }
      if (lower === 'content-length') {
        if (!/^[0-9]{1,15}$/.test(value)) {
          throw new TypeError(`the response header Content-Length is not a number: ${value}`);
        }
        answer.length = Number(value);
        continue;
      }
      answer.hasType ||= lower === 'content-type';
      answer.lines.push(`${name}: ${value}`);
    }
  }
}

// An answer whose body is {"error", "type"}.
function failure(status, message, type) {
  const answer = new Answer();
  answer.status = status;
  answer.lines.push('Content-Type: application/json');
  answer.body = JSON.stringify({ error: message, type });
  return answer;
}

// The answer to a thrown value. An error with a status from 400 to 499 is the caller's mistake; all else
// goes to stderr with its stack, of which the client sees only message and type.
function failureOf(error, where) {
  const status = error?.status;
  const message = error instanceof Error ? error.message : textOf(error);
  const type = error instanceof Error ? error.name : typeof error;
  if (Number.isInteger(status) && status >= 400 && status <= 499) return failure(status, message, type);
  report(error, `${where} failed`);
  return failure(500, message, type);
}

// Anything can be thrown, even what has no text.
function textOf(thrown) {
  try {
    return String(thrown);
  } catch {
    return 'an object';
  }
}

// Writes an error with its stack to stderr.
function report(error, what) {
  const text = error instanceof Error ? (error.stack ?? String(error)) : `thrown: ${textOf(error)}`;
  process.stderr.write(`tidemill: ${what}\n${text}\n`);
}

// The head and how the body is to be framed: "none", "length", "chunked" or "close". request may be null
// (it could not be read). Throws if the function's Content-Length does not fit its whole body.
function headOf(answer, request, close) {
  const lines = [`HTTP/1.1 ${answer.status} ${REASONS[answer.status] ?? ''}`, ...answer.lines];
  const headOnly = request !== null && request.method === 'HEAD';
  let framing = 'length';
  if (answer.status === 204 || answer.status === 304) {
    framing = 'none';
  } else if (answer.stream === null) {
    const length = Buffer.byteLength(answer.body);
    if (answer.length !== null && answer.length !== length && !(headOnly && length === 0)) {
      throw new RangeError(`Content-Length says ${answer.length}, the body has ${length} bytes`);
    }
    lines.push(`Content-Length: ${answer.length ?? length}`);
  } else if (answer.length !== null) {
    lines.push(`Content-Length: ${answer.length}`);
  } else if (request !== null && request.version === '1.0') {
    framing = 'close';
    close = true;
  } else {
    framing = 'chunked';
    lines.push('Transfer-Encoding: chunked');
  }
  if (headOnly) framing = 'none';
  if (close) lines.push('Connection: close');
  else if (request !== null && request.version === '1.0') lines.push('Connection: keep-alive');
  lines.push('\r\n');
  return { head: lines.join('\r\n'), framing, close };
}

// Frames the pieces of a stream. Throws for a piece that is neither string nor bytes, and when the pieces
// do not add up to the Content-Length that the function gave.
class StreamFraming {
  #chunked;
  #left;

  constructor(framing, length) {
    this.#chunked = framing === 'chunked';
    this.#left = length;
  }

  piece(value) {
    if (typeof value !== 'string' && !(value instanceof Uint8Array)) {
      throw new TypeError(`a stream yields strings or bytes, not ${typeof value}`);
    }
    const data = typeof value === 'string' ? Buffer.from(value) : value;
    if (this.#left !== null) {
      this.#left -= data.length;
      if (this.#left < 0) throw new RangeError('the stream is longer than its Content-Length');
    }
    if (!this.#chunked || data.length === 0) return data; // an empty chunk would end the body
    return Buffer.concat([Buffer.from(`${data.length.toString(16)}\r\n`), data, Buffer.from('\r\n')]);
  }

  end() {
    if (this.#left) throw new RangeError(`the stream is ${this.#left} bytes shorter than its Content-Length`);
    return this.#chunked ? '0\r\n\r\n' : '';
  }
}

module.exports = { StreamFraming, answerOf, failure, failureOf, headOf, report };
