#include "http/server.h"

#include <fmt/format.h>

#include <utility>

#include "async/event.h"
#include "wire/http1_writer.h"
#include "wire/http_text.h"

namespace tidemill::http {
namespace {

using base::Code;
using base::fail;

constexpr std::size_t head_out_bytes_max = 64U << 10;

bool has_body(int status) {
    return status >= 200 && status != 204 && status != 304;
}

}  // namespace

Answer::Answer(host::Stream& stream, host::Clock& clock, std::string_view method, int minor,
               base::Duration write_limit)
    : stream_(stream),
      clock_(clock),
      write_limit_(write_limit),
      is_head_(method == "HEAD"),
      chunked_(minor >= 1) {}

async::Task<base::Status> Answer::put(std::string bytes) {
    stream_.set_write_deadline(stream_.loop().now() + write_limit_);
    co_return co_await write_all(stream_, bytes);
}

std::string Answer::head(int status, const Headers& headers, std::optional<std::size_t> length) {
    std::string out;
    wire::HeadWriter writer(out, head_out_bytes_max);
    writer.status_line(static_cast<std::uint16_t>(status));
    const auto date = wire::format_http_date(clock_.wall_now());
    writer.field("Date", std::string_view(date.data(), date.size()));
    for (const auto& [name, value] : headers) {
        writer.field(name, value);
    }
    if (has_body(status)) {
        if (length) {
            writer.field("Content-Length", std::uint64_t{*length});
        } else if (chunked_) {
            writer.field("Transfer-Encoding", "chunked");
        } else {
            keep_alive_ = false;
        }
    }
    if (!keep_alive_) {
        writer.field("Connection", "close");
    }
    writer.end();
    return writer.fault() == wire::WriteFault::none ? out : std::string();
}

async::Task<base::Status> Answer::send(int status, Headers headers, std::string body) {
    CHECK(!begun());
    std::string bytes = head(status, headers, body.size());
    if (bytes.empty()) {
        co_return fail(Code::invalid, "http: an answer's header field holds a control character");
    }
    status_ = status;
    if (!is_head_ && has_body(status)) {
        bytes += body;
    }
    CO_CHECK_OK(co_await put(std::move(bytes)));
    complete_ = true;
    co_return base::ok;
}

async::Task<base::Status> Answer::begin(int status, Headers headers) {
    CHECK(!begun());
    std::string bytes = head(status, headers, std::nullopt);
    if (bytes.empty()) {
        co_return fail(Code::invalid, "http: an answer's header field holds a control character");
    }
    status_ = status;
    co_return co_await put(std::move(bytes));
}

async::Task<base::Status> Answer::write(std::string piece) {
    CHECK(begun() && !complete_);
    if (piece.empty() || is_head_) {
        co_return base::ok;
    }
    if (chunked_) {
        const wire::ChunkSizeLine size(piece.size());
        piece.insert(0, size.text());
        piece += wire::chunk_end;
    }
    co_return co_await put(std::move(piece));
}

async::Task<base::Status> Answer::end() {
    CHECK(begun() && !complete_);
    if (chunked_ && !is_head_) {
        CO_CHECK_OK(co_await put(std::string(wire::last_chunk)));
    }
    complete_ = true;
    co_return base::ok;
}

Server::Server(host::Host& host, Handler& handler, ServerLimits limits)
    : host_(host),
      handler_(handler),
      limits_(limits),
      connections_(host.loop, limits.connections_max) {}

async::Task<void> Server::serve(host::Listener& listener, StreamAdapter* adapter) {
    for (;;) {
        auto stream = co_await listener.accept();
        if (!stream) {
            // Out of descriptors: those that are open must end first.
            co_await async::sleep_for(host_.loop, std::chrono::milliseconds(100));
            continue;
        }
        (void)connections_.spawn(converse(*std::move(stream), adapter));
    }
}

namespace {

// Runs a handler, and tells when it is over.
async::Task<void> run_handler(Handler& handler, Request& request, Answer& answer,
                              async::Event& over) {
    co_await handler.handle(request, answer);
    over.set();
}

// Waits until the peer sends something or goes away while its answer is being made.
async::Task<void> watch_peer(Request& request, ReadBuffer& buffer, async::Event& over, bool& gone) {
    // Before that, the handler waits on the same edge.
    co_await request.body.finished();
    if (!buffer.held().empty()) {
        co_return;  // pipelined: the peer is there
    }
    const auto more = co_await buffer.fill();
    if (!more || !*more) {
        gone = true;
        over.set();
    }
}

}  // namespace

async::Task<void> Server::converse(std::unique_ptr<host::Stream> stream, StreamAdapter* adapter) {
    if (adapter != nullptr) {
        auto wrapped =
            co_await adapter->wrap(std::move(stream), {}, host_.loop.now() + limits_.head_deadline);
        if (!wrapped) {
            co_return;
        }
        stream = *std::move(wrapped);
    }
    ReadBuffer buffer(*stream, limits_.head.head_bytes + 4096);
    bool first = true;
    for (;;) {
        wire::RequestHead head;
        wire::HeadOutcome outcome;
        std::size_t seen = 0;
        stream->set_read_deadline(host_.loop.now() +
                                  (first ? limits_.head_deadline : limits_.idle_deadline));
        for (;;) {
            outcome = wire::parse_request_head(buffer.held(), seen, limits_.head, head);
            if (outcome.progress != wire::Progress::need_more) {
                break;
            }
            if (seen == 0 && !buffer.held().empty()) {
                stream->set_read_deadline(host_.loop.now() + limits_.head_deadline);
            }
            seen = buffer.held().size();
            const auto more = co_await buffer.fill();
            if (!more || !*more) {
                co_return;
            }
        }
        first = false;
        if (outcome.progress == wire::Progress::bad) {
            Answer answer(*stream, host_.clock, "GET", 1, limits_.write_deadline);
            answer.close_after();
            (void)co_await answer.send(wire::fault_status(outcome.fault),
                                       {{"Content-Type", "text/plain"}},
                                       fmt::format("{}\n", wire::fault_text(outcome.fault)));
            stream->shutdown_write();
            co_return;
        }
        stream->set_read_deadline(base::Instant::never());
        Headers headers;
        for (const auto& header : head.headers) {
            headers.add(std::string(header.name), std::string(header.value));
        }
        const bool expects = head.expect_continue;
        const bool keep_alive = head.keep_alive;
        BodyReader body(buffer, head.framing);
        Request request{std::string(head.method_token),
                        std::string(head.path),
                        std::string(head.query),
                        std::string(head.host),
                        std::move(headers),
                        body,
                        stream->peer()};
        Answer answer(*stream, host_.clock, request.method, head.minor, limits_.write_deadline);
        buffer.consume(outcome.consumed);
        if (expects && !body.done() && buffer.held().empty()) {
            if (!co_await write_all(*stream, "HTTP/1.1 100 Continue\r\n\r\n")) {
                co_return;
            }
        }
        if (!keep_alive) {
            answer.close_after();
        }
        async::Event over(host_.loop);
        bool gone = false;
        {
            async::Scope work(host_.loop, 2);
            CHECK(work.spawn(run_handler(handler_, request, answer, over)));
            if (!over.is_set()) {
                CHECK(work.spawn(watch_peer(request, buffer, over, gone)));
                co_await over.wait();
            }
        }
        if (gone) {
            co_return;
        }
        if (!answer.complete()) {
            stream->abort();
            co_return;
        }
        if (!answer.keep_alive() || !body.done()) {
            // What the client still sends is not read: closing tells it so.
            stream->shutdown_write();
            co_return;
        }
    }
}

}  // namespace tidemill::http
