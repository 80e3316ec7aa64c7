'use strict';
// Says hello: the smallest function there is.

exports.handle = (request, context) => {
  const name = request.query.get('name') ?? 'world';
  return `Hello ${name} from ${context.revision}\n`;
};
