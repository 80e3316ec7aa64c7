'use strict';
// Says how long it has been up: an app, which opens its own port, unlike a function.

const http = require('http');
const ms = require('ms');

const server = http.createServer((request, response) => {
  response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  response.end(`Up for ${ms(Math.round(process.uptime() * 1000), { long: true })}\n`);
});
server.listen(Number(process.env.PORT), '0.0.0.0');
process.on('SIGTERM', () => server.close(() => process.exit(0)));
