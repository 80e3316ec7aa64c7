// tidemill-static: serves the files of the working directory over HTTP/1.1.
//
// It listens where runtimes/README.md says (TIDEMILL_LISTEN_FD, TIDEMILL_SOCKET, PORT), answers GET
// and HEAD, and drains at SIGTERM. One thread, one epoll; a file is sent by sendfile. Nothing
// outside the directory can be named: the kernel resolves every path beneath it, symbolic links
// included.
//
// Bodies of requests are refused, because no file wants one. The validator is an ETag of revision,
// size and modification time; Last-Modified is not sent, since builds flatten the times it would
// show.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum {
  kHeadBytesMax = 16 * 1024,
  kAnswerBytesMax = 2 * 1024,
  kPathBytesMax = 4096,
  kConnectionsMax = 1024,
  kExitCannotListen = 75,
  kExitBadEnvironment = 76,
};

static const char kReadyPath[] = "/.well-known/tidemill/ready";

struct Connection {
  int socket;
  int file;  // -1, or what is being sent after the head
  off_t offset;
  off_t left;
  size_t in_bytes;
  size_t out_bytes;
  size_t out_sent;
  bool must_close;  // after the answer at hand
  bool is_closing;  // the answer is sent; only waits for the client to have read it
  struct Connection* next;
  struct Connection* previous;
  char in[kHeadBytesMax];
  char out[kAnswerBytesMax];
};

struct Server {
  int epoll;
  int listener;
  int signals;
  int root;
  size_t connections;
  bool is_draining;
  bool is_accepting;
  uint64_t revision_hash;
  struct Connection* first;
};

struct Head {
  bool is_head;
  bool is_get;
  bool keep_alive;
  char* target;
  const char* if_none_match;
  const char* if_range;
  const char* range;
};

static _Noreturn void die(int status, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("tidemill: cannot start: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(status);
}

// Answers
// ---------------------------------------------------------------------------------------------

static const char* reason_of(int status) {
  static const struct {
    int status;
    const char* reason;
  } kReasons[] = {
      {200, "OK"},
      {206, "Partial Content"},
      {301, "Moved Permanently"},
      {304, "Not Modified"},
      {400, "Bad Request"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {416, "Range Not Satisfiable"},
      {431, "Request Header Fields Too Large"},
      {505, "HTTP Version Not Supported"},
  };
  for (size_t i = 0; i < sizeof kReasons / sizeof kReasons[0]; i++) {
    if (kReasons[i].status == status)
      return kReasons[i].reason;
  }
  return "";
}

// Everything appended is bounded: numbers, constants, an ETag, or a path whose length is checked
// first.
__attribute__((format(printf, 2, 3))) static void append(struct Connection* c, const char* format,
                                                         ...) {
  va_list arguments;
  va_start(arguments, format);
  size_t room = sizeof c->out - c->out_bytes;
  int wrote = vsnprintf(c->out + c->out_bytes, room, format, arguments);
  va_end(arguments);
  if (wrote < 0 || (size_t)wrote >= room)
    abort();
  c->out_bytes += (size_t)wrote;
}

static void begin_answer(struct Connection* c, int status, long long length) {
  c->out_bytes = 0;
  c->out_sent = 0;
  append(c, "HTTP/1.1 %d %s\r\n", status, reason_of(status));
  if (length >= 0)
    append(c, "Content-Length: %lld\r\n", length);
}

static void end_head(struct Connection* c) {
  append(c, "%s\r\n", c->must_close ? "Connection: close\r\n" : "");
}

static void answer_text(struct Connection* c, const struct Head* head, int status,
                        const char* text) {
  begin_answer(c, status, (long long)strlen(text));
  append(c, "Content-Type: text/plain; charset=utf-8\r\n");
  if (status == 405)
    append(c, "Allow: GET, HEAD\r\n");
  end_head(c);
  if (head == NULL || !head->is_head)
    append(c, "%s", text);
}

static const char* type_of(const char* path) {
  static const struct {
    const char* extension;
    const char* type;
  } kTypes[] = {
      {"html", "text/html; charset=utf-8"},
      {"css", "text/css; charset=utf-8"},
      {"js", "text/javascript; charset=utf-8"},
      {"mjs", "text/javascript; charset=utf-8"},
      {"json", "application/json"},
      {"webmanifest", "application/manifest+json"},
      {"txt", "text/plain; charset=utf-8"},
      {"csv", "text/csv; charset=utf-8"},
      {"xml", "application/xml"},
      {"svg", "image/svg+xml"},
      {"png", "image/png"},
      {"jpg", "image/jpeg"},
      {"jpeg", "image/jpeg"},
      {"gif", "image/gif"},
      {"webp", "image/webp"},
      {"ico", "image/x-icon"},
      {"woff", "font/woff"},
      {"woff2", "font/woff2"},
      {"ttf", "font/ttf"},
      {"mp4", "video/mp4"},
      {"webm", "video/webm"},
      {"pdf", "application/pdf"},
      {"wasm", "application/wasm"},
  };
  const char* slash = strrchr(path, '/');
  const char* dot = strrchr(slash != NULL ? slash : path, '.');
  for (size_t i = 0; dot != NULL && i < sizeof kTypes / sizeof kTypes[0]; i++) {
    if (strcasecmp(dot + 1, kTypes[i].extension) == 0)
      return kTypes[i].type;
  }
  return "application/octet-stream";
}

// Files
// -----------------------------------------------------------------------------------------------

static int open_beneath(const struct Server* server, const char* path) {
  struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                         .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
  return (int)syscall(SYS_openat2, server->root, path, &how, sizeof how);
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

// The file that a target names, relative to the root, into path. 0, or the status to answer
// instead.
static int resolve_target(const char* target, char path[kPathBytesMax]) {
  size_t length = 0;
  for (const char* at = target; *at != '\0' && *at != '?'; at++) {
    char c = *at;
    if (c == '%') {
      int high = hex_digit(at[1]);
      int low = high < 0 ? -1 : hex_digit(at[2]);
      if (low < 0)
        return 400;
      c = (char)(high * 16 + low);
      if (c == '\0' || c == '/')
        return 400;
      at += 2;
    }
    if (length + 1 >= kPathBytesMax)
      return 404;
    path[length++] = c;
  }
  path[length] = '\0';
  // Segments that begin with a dot are how tools keep what nobody shall see; .well-known is the
  // exception.
  for (char* segment = path; segment != NULL; segment = strchr(segment + 1, '/')) {
    const char* name = segment + 1;
    size_t bytes = strcspn(name, "/");
    if ((bytes == 1 && name[0] == '.') || (bytes == 2 && memcmp(name, "..", 2) == 0))
      return 400;
    if (bytes == 0 && name[0] == '/')
      return 404;
    if (name[0] == '.' && !(bytes == 11 && memcmp(name, ".well-known", 11) == 0))
      return 404;
  }
  return 0;
}

static bool etag_matches(const char* list, const char* etag) {
  if (strcmp(list, "*") == 0)
    return true;
  size_t bytes = strlen(etag);
  for (const char* at = strstr(list, etag); at != NULL; at = strstr(at + 1, etag)) {
    if (at[bytes] == '\0' || at[bytes] == ',' || at[bytes] == ' ')
      return true;
  }
  return false;
}

// Reads digits into *value; false if there is none or the number is too large to be an offset.
static bool read_offset(const char** at, off_t* value) {
  const char* start = *at;
  *value = 0;
  while (**at >= '0' && **at <= '9') {
    if (*value > (INT64_MAX - 9) / 10)
      return false;
    *value = *value * 10 + (*(*at)++ - '0');
  }
  return *at != start;
}

// One range of "bytes=": 206 with first and last set, 416, or 200 where the header is to be
// ignored.
static int read_range(const char* range, off_t size, off_t* first, off_t* last) {
  if (strncmp(range, "bytes=", 6) != 0)
    return 200;
  const char* at = range + 6;
  off_t number;
  if (*at == '-') {
    at++;
    if (!read_offset(&at, &number) || *at != '\0')
      return 200;
    if (number == 0 || size == 0)
      return 416;
    *first = number >= size ? 0 : size - number;
    *last = size - 1;
    return 206;
  }
  if (!read_offset(&at, first) || *at++ != '-')
    return 200;
  *last = size - 1;
  if (*at != '\0') {
    if (!read_offset(&at, &number) || *at != '\0' || number < *first)
      return 200;
    if (number < *last)
      *last = number;
  }
  return *first >= size ? 416 : 206;
}

static void answer_file(const struct Server* server, struct Connection* c, const struct Head* head,
                        int file, const struct stat* facts, const char* path, int status) {
  char etag[64];
  snprintf(etag, sizeof etag, "\"%llx-%llx-%llx\"", (unsigned long long)server->revision_hash,
           (unsigned long long)facts->st_size,
           (unsigned long long)facts->st_mtim.tv_sec * 1000000000ULL +
               (unsigned long long)facts->st_mtim.tv_nsec);
  off_t first = 0;
  off_t last = facts->st_size - 1;
  if (status == 200) {
    if (head->if_none_match != NULL && etag_matches(head->if_none_match, etag)) {
      status = 304;
    } else if (head->range != NULL && !head->is_head &&
               (head->if_range == NULL || strcmp(head->if_range, etag) == 0)) {
      status = read_range(head->range, facts->st_size, &first, &last);
    }
  }
  if (status == 416) {
    begin_answer(c, 416, 0);
    append(c, "Content-Range: bytes */%lld\r\n", (long long)facts->st_size);
    end_head(c);
    close(file);
    return;
  }
  off_t length = status == 206 ? last - first + 1 : facts->st_size;
  begin_answer(c, status, status == 304 ? -1 : (long long)length);
  // Every copy is checked with us before it is used again: a new revision shows at once, and an
  // unchanged file costs no more than a 304.
  append(c, "ETag: %s\r\nCache-Control: no-cache\r\n", etag);
  if (status != 304) {
    append(c, "Content-Type: %s\r\nX-Content-Type-Options: nosniff\r\nAccept-Ranges: bytes\r\n",
           type_of(path));
  }
  if (status == 206) {
    append(c, "Content-Range: bytes %lld-%lld/%lld\r\n", (long long)first, (long long)last,
           (long long)facts->st_size);
  }
  end_head(c);
  if (head->is_head || status == 304 || length == 0) {
    close(file);
    return;
  }
  c->file = file;
  c->offset = status == 206 ? first : 0;
  c->left = length;
}

static void answer_missing(const struct Server* server, struct Connection* c,
                           const struct Head* head) {
  struct stat facts;
  int file = open_beneath(server, "404.html");
  if (file >= 0 && fstat(file, &facts) == 0 && S_ISREG(facts.st_mode)) {
    answer_file(server, c, head, file, &facts, "404.html", 404);
    return;
  }
  if (file >= 0)
    close(file);
  answer_text(c, head, 404, "not found\n");
}

static void answer_target(const struct Server* server, struct Connection* c,
                          const struct Head* head) {
  if (!head->is_get && !head->is_head) {
    answer_text(c, head, 405, "only GET and HEAD\n");
    return;
  }
  if (strcmp(head->target, kReadyPath) == 0) {
    answer_text(c, head, 200, "ready\n");
    return;
  }
  char path[kPathBytesMax + 16];
  int refused = resolve_target(head->target, path);
  if (refused == 400) {
    answer_text(c, head, 400, "the path is not well formed\n");
    return;
  }
  size_t bytes = strlen(path);
  if (refused == 0 && path[bytes - 1] == '/')
    strcpy(path + bytes, "index.html");
  int file = refused == 0 ? open_beneath(server, path + 1) : -1;
  struct stat facts = {0};
  if (file >= 0) {
    if (fstat(file, &facts) == 0 && S_ISREG(facts.st_mode)) {
      answer_file(server, c, head, file, &facts, path, 200);
      return;
    }
    close(file);
    // Relative links of the page need the slash. The target is sent back as it came, so it is as
    // safe.
    size_t target_bytes = strcspn(head->target, "?");
    if (S_ISDIR(facts.st_mode) && target_bytes < kAnswerBytesMax / 2 && head->target[1] != '/') {
      begin_answer(c, 301, 0);
      append(c, "Location: %.*s/\r\n", (int)target_bytes, head->target);
      end_head(c);
      return;
    }
  }
  answer_missing(server, c, head);
}

// Requests
// --------------------------------------------------------------------------------------------

static bool is_token(const char* text, size_t bytes) {
  static const char kExtra[] = "!#$%&'*+-.^_`|~";
  for (size_t i = 0; i < bytes; i++) {
    char c = text[i];
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!letter && (c == '\0' || strchr(kExtra, c) == NULL))
      return false;
  }
  return bytes > 0;
}

// True if a comma-separated list names option, without case.
static bool list_names(const char* list, const char* option) {
  size_t bytes = strlen(option);
  while (*list != '\0') {
    list += strspn(list, " \t,");
    size_t item = strcspn(list, " \t,");
    if (item == bytes && strncasecmp(list, option, bytes) == 0)
      return true;
    list += item;
  }
  return false;
}

// 0, or the status of the refusal. text is one line, ended by NUL, without its line end.
static int parse_request_line(char* text, struct Head* head) {
  char* first = strchr(text, ' ');
  char* second = first != NULL ? strchr(first + 1, ' ') : NULL;
  if (second == NULL || !is_token(text, (size_t)(first - text)))
    return 400;
  *first = '\0';
  *second = '\0';
  const char* version = second + 1;
  if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0) {
    bool is_other = strlen(version) == 8 && strncmp(version, "HTTP/", 5) == 0 &&
                    version[5] != '1' && version[5] >= '0' && version[5] <= '9' &&
                    version[6] == '.';
    return is_other ? 505 : 400;
  }
  head->target = first + 1;
  head->is_get = strcmp(text, "GET") == 0;
  head->is_head = strcmp(text, "HEAD") == 0;
  head->keep_alive = version[7] == '1';
  if (head->target[0] != '/')
    return 400;
  for (const char* at = head->target; *at != '\0'; at++) {
    if (*at <= ' ' || *at > '~' || *at == '#')
      return 400;
  }
  return 0;
}

// Parses a whole head in place: lines are ended by NUL. 0, or the status of the refusal.
static int parse_head(char* text, char* end, struct Head* head) {
  for (const char* at = text; at < end; at++) {
    unsigned char c = (unsigned char)*at;
    bool ends_line = (c == '\r' && at[1] == '\n') || (c == '\n' && at > text && at[-1] == '\r');
    if (!ends_line && ((c < 0x20 && c != '\t') || c == 0x7F))
      return 400;
  }
  int hosts = 0;
  bool is_first = true;
  bool is_http_1_1 = false;
  while (text < end) {
    char* line_end = strstr(text, "\r\n");
    *line_end = '\0';
    if (is_first) {
      int refused = parse_request_line(text, head);
      if (refused != 0)
        return refused;
      is_http_1_1 = head->keep_alive;
      is_first = false;
      text = line_end + 2;
      continue;
    }
    char* colon = strchr(text, ':');
    if (colon == NULL || !is_token(text, (size_t)(colon - text)))
      return 400;
    *colon = '\0';
    char* value = colon + 1 + strspn(colon + 1, " \t");
    for (char* last = line_end; last > value && (last[-1] == ' ' || last[-1] == '\t');) {
      *--last = '\0';
    }
    if (strcasecmp(text, "host") == 0)
      hosts++;
    if (strcasecmp(text, "transfer-encoding") == 0)
      return 400;
    if (strcasecmp(text, "content-length") == 0 && strcmp(value, "0") != 0)
      return 400;
    if (strcasecmp(text, "connection") == 0) {
      if (list_names(value, "close"))
        head->keep_alive = false;
    }
    if (strcasecmp(text, "if-none-match") == 0)
      head->if_none_match = value;
    if (strcasecmp(text, "if-range") == 0)
      head->if_range = value;
    if (strcasecmp(text, "range") == 0)
      head->range = value;
    text = line_end + 2;
  }
  return hosts > 1 || (hosts == 0 && is_http_1_1) ? 400 : 0;
}

// Connections
// -----------------------------------------------------------------------------------------

static void set_accepting(struct Server* server, bool wanted) {
  if (server->is_accepting == wanted)
    return;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = &server->listener};
  epoll_ctl(server->epoll, wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, server->listener, &event);
  server->is_accepting = wanted;
}

static void close_connection(struct Server* server, struct Connection* c) {
  if (c->file >= 0)
    close(c->file);
  close(c->socket);
  if (c->next != NULL)
    c->next->previous = c->previous;
  if (c->previous != NULL)
    c->previous->next = c->next;
  if (server->first == c)
    server->first = c->next;
  free(c);
  server->connections--;
  if (!server->is_draining)
    set_accepting(server, true);
}

static void watch(struct Server* server, struct Connection* c, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = c};
  epoll_ctl(server->epoll, EPOLL_CTL_MOD, c->socket, &event);
}

// Sends what is left of the answer. 1 when all is sent, 0 when the socket is full, -1 when it is
// gone.
static int send_answer(struct Connection* c) {
  while (c->out_sent < c->out_bytes) {
    int flags = MSG_NOSIGNAL | (c->file >= 0 ? MSG_MORE : 0);
    ssize_t sent = send(c->socket, c->out + c->out_sent, c->out_bytes - c->out_sent, flags);
    if (sent < 0)
      return errno == EAGAIN ? 0 : -1;
    c->out_sent += (size_t)sent;
  }
  while (c->left > 0) {
    ssize_t sent = sendfile(c->socket, c->file, &c->offset, (size_t)c->left);
    if (sent < 0 && errno == EAGAIN)
      return 0;
    if (sent <= 0)
      return -1;  // 0: the file became shorter, and the length is promised
    c->left -= sent;
  }
  if (c->file >= 0)
    close(c->file);
  c->file = -1;
  c->out_bytes = 0;
  c->out_sent = 0;
  return 1;
}

static void refuse(struct Connection* c, int status) {
  c->must_close = true;
  answer_text(c, NULL, status, "the request is not well formed, or has a body\n");
}

// Prepares the answer to the next request in the buffer; false if it is not whole yet.
static bool take_request(struct Server* server, struct Connection* c) {
  char* end = memmem(c->in, c->in_bytes, "\r\n\r\n", 4);
  if (end == NULL) {
    bool is_bad = c->in_bytes > 0 && (unsigned char)c->in[0] <= ' ';
    const char* line = memchr(c->in, '\n', c->in_bytes);
    if (line != NULL && (line == c->in || line[-1] != '\r'))
      is_bad = true;
    if (!is_bad && c->in_bytes < sizeof c->in)
      return false;
    refuse(c, is_bad ? 400 : 431);
    return true;
  }
  struct Head head = {0};
  char* next = end + 4;
  char kept = *(end + 2);
  *(end + 2) = '\0';
  int refused =
      memchr(c->in, '\0', (size_t)(end - c->in)) != NULL ? 400 : parse_head(c->in, end + 2, &head);
  *(end + 2) = kept;
  if (refused != 0) {
    refuse(c, refused);
    return true;
  }
  c->must_close = !head.keep_alive || server->is_draining;
  answer_target(server, c, &head);
  c->in_bytes -= (size_t)(next - c->in);
  memmove(c->in, next, c->in_bytes);
  return true;
}

// Reads and answers until the socket has no more to give or to take.
static void advance(struct Server* server, struct Connection* c) {
  for (;;) {
    if (c->out_bytes > 0) {
      int sent = send_answer(c);
      if (sent < 0) {
        close_connection(server, c);
        return;
      }
      if (sent == 0) {
        watch(server, c, EPOLLOUT);
        return;
      }
      if (c->must_close) {
        // A close with unread input resets the connection and may take the answer with it.
        shutdown(c->socket, SHUT_WR);
        c->is_closing = true;
      }
    }
    if (c->is_closing)
      c->in_bytes = 0;
    if (!c->is_closing && take_request(server, c))
      continue;
    ssize_t got = recv(c->socket, c->in + c->in_bytes, sizeof c->in - c->in_bytes, 0);
    if (got < 0 && errno == EAGAIN) {
      if (server->is_draining && c->in_bytes == 0) {
        close_connection(server, c);
      } else {
        watch(server, c, EPOLLIN);
      }
      return;
    }
    if (got <= 0) {
      close_connection(server, c);
      return;
    }
    c->in_bytes += (size_t)got;
  }
}

// False if nobody waits.
static bool accept_one(struct Server* server) {
  int socket = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (socket < 0) {
    // Out of descriptors: try again when a connection has closed.
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
      set_accepting(server, false);
    return false;
  }
  struct Connection* c = malloc(sizeof *c);
  if (c == NULL) {
    close(socket);
    return false;
  }
  memset(c, 0, offsetof(struct Connection, in));
  c->socket = socket;
  c->file = -1;
  c->next = server->first;
  if (server->first != NULL)
    server->first->previous = c;
  server->first = c;
  if (++server->connections >= kConnectionsMax)
    set_accepting(server, false);
  int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // fails on a Unix socket: no harm
  struct epoll_event event = {.events = 0, .data.ptr = c};
  epoll_ctl(server->epoll, EPOLL_CTL_ADD, socket, &event);
  advance(server, c);
  return true;
}

// Takes in what has already connected, then closes what is idle; the rest closes with its answer.
static void drain(struct Server* server) {
  if (server->is_draining)
    return;
  while (server->connections < kConnectionsMax && accept_one(server)) {
  }
  server->is_draining = true;
  set_accepting(server, false);
  close(server->listener);
  for (struct Connection* c = server->first; c != NULL;) {
    struct Connection* next = c->next;
    c->must_close = true;
    if (c->out_bytes == 0 && !c->is_closing)
      advance(server, c);
    c = next;
  }
}

// Start
// -----------------------------------------------------------------------------------------------

// The number in an environment variable; -1 if it is unset or empty.
static long number_of(const char* name, long least, long most) {
  const char* text = getenv(name);
  if (text == NULL || *text == '\0')
    return -1;
  char* end;
  errno = 0;
  long value = strtol(text, &end, 10);
  if (errno != 0 || *end != '\0' || *text < '0' || *text > '9' || value < least || value > most) {
    die(kExitBadEnvironment, "%s is not a number from %ld to %ld: %s", name, least, most, text);
  }
  return value;
}

static int open_listener(void) {
  long descriptor = number_of("TIDEMILL_LISTEN_FD", 0, 1 << 20);
  const char* path = getenv("TIDEMILL_SOCKET");
  long port = number_of("PORT", 1, 65535);
  int listener = (int)descriptor;
  if (descriptor >= 0) {
    int listening = 0;
    socklen_t bytes = sizeof listening;
    if (getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN, &listening, &bytes) != 0 || !listening) {
      die(kExitCannotListen, "the descriptor %ld (TIDEMILL_LISTEN_FD) is no listening socket",
          descriptor);
    }
    fcntl(listener, F_SETFD, FD_CLOEXEC);
    fcntl(listener, F_SETFL, O_NONBLOCK);
    return listener;
  }
  if (path != NULL && *path != '\0') {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
      die(kExitCannotListen, "cannot listen on %s (TIDEMILL_SOCKET): the path is too long", path);
    }
    strcpy(address.sun_path, path);
    unlink(path);  // left by a process that was killed
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr*)&address, sizeof address) != 0 ||
        listen(listener, 1024) != 0) {
      die(kExitCannotListen, "cannot listen on %s (TIDEMILL_SOCKET): %s", path, strerror(errno));
    }
    return listener;
  }
  if (port < 0) {
    die(kExitBadEnvironment,
        "nowhere to listen: none of TIDEMILL_LISTEN_FD, TIDEMILL_SOCKET and PORT is set");
  }
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  int on = 1;
  listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      bind(listener, (struct sockaddr*)&address, sizeof address) != 0 ||
      listen(listener, 1024) != 0) {
    die(kExitCannotListen, "cannot listen on 0.0.0.0:%ld (PORT): %s", port, strerror(errno));
  }
  return listener;
}

static uint64_t hash_of(const char* text) {
  uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a
  for (; *text != '\0'; text++)
    hash = (hash ^ (unsigned char)*text) * 0x100000001b3ULL;
  return hash;
}

int main(void) {
  struct Server server = {.first = NULL};
  server.root = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  int probe = server.root < 0 ? -1 : open_beneath(&server, ".");
  if (probe < 0)
    die(kExitBadEnvironment, "cannot read the working directory: %s", strerror(errno));
  close(probe);
  const char* revision = getenv("K_REVISION");
  server.revision_hash = hash_of(revision != NULL ? revision : "");

  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  sigprocmask(SIG_BLOCK, &stop, NULL);
  server.signals = signalfd(-1, &stop, SFD_NONBLOCK | SFD_CLOEXEC);
  server.epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = &server.signals};
  epoll_ctl(server.epoll, EPOLL_CTL_ADD, server.signals, &event);
  server.listener = open_listener();
  set_accepting(&server, true);

  while (!server.is_draining || server.connections > 0) {
    // One event at a time: advancing one connection may free it, and an event that was fetched
    // earlier would then point at nothing.
    if (epoll_wait(server.epoll, &event, 1, -1) != 1)
      continue;
    if (event.data.ptr == &server.signals) {
      struct signalfd_siginfo ignored;
      if (read(server.signals, &ignored, sizeof ignored) > 0)
        drain(&server);
    } else if (event.data.ptr == &server.listener) {
      accept_one(&server);
    } else {
      advance(&server, event.data.ptr);
    }
  }
  return 0;
}
