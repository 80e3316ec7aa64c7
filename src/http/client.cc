#include "http/client.h"

#include <utility>

#include "wire/http1_writer.h"

namespace tidemill::http {
namespace {

using base::Code;
using base::fail;

constexpr std::size_t head_bytes_max = 64U << 10;

}  // namespace

ClientConnection::ClientConnection(std::unique_ptr<host::Stream> stream)
    : stream_(std::move(stream)), buffer_(*stream_, head_bytes_max + 4096) {}

async::Task<base::Result<std::unique_ptr<ClientConnection>>> ClientConnection::open(
    host::Host& host, host::Address address, StreamAdapter* adapter, std::string server_name,
    base::Instant deadline) {
    CO_TRY(auto stream, co_await host.network.connect(std::move(address), deadline));
    if (adapter != nullptr) {
        auto wrapped = co_await adapter->wrap(std::move(stream), std::move(server_name), deadline);
        if (!wrapped) {
            co_return std::unexpected(std::move(wrapped).error());
        }
        stream = *std::move(wrapped);
    }
    co_return std::make_unique<ClientConnection>(std::move(stream));
}

void ClientConnection::set_deadline(base::Instant at) {
    stream_->set_read_deadline(at);
    stream_->set_write_deadline(at);
}

async::Task<base::Status> ClientConnection::send_request(ClientRequest& request) {
    std::string bytes;
    wire::HeadWriter writer(bytes, head_bytes_max);
    writer.request_line(request.method, request.target).field("Host", request.host);
    for (const auto& [name, value] : request.headers) {
        writer.field(name, value);
    }
    if (request.body_source) {
        writer.field("Transfer-Encoding", "chunked");
    } else if (!request.body.empty() || request.method == "POST" || request.method == "PUT" ||
               request.method == "PATCH") {
        writer.field("Content-Length", std::uint64_t{request.body.size()});
    }
    writer.end();
    if (writer.fault() != wire::WriteFault::none) {
        co_return fail(Code::invalid,
                       "http: a request field holds a control character or is too long");
    }
    if (!request.body_source) {
        bytes += request.body;
        co_return co_await write_all(*stream_, bytes);
    }
    CO_CHECK_OK(co_await write_all(*stream_, bytes));
    for (;;) {
        CO_TRY(auto piece, co_await request.body_source());
        if (!piece) {
            co_return co_await write_all(*stream_, wire::last_chunk);
        }
        if (piece->empty()) {
            continue;
        }
        const wire::ChunkSizeLine size(piece->size());
        piece->insert(0, size.text());
        *piece += wire::chunk_end;
        CO_CHECK_OK(co_await write_all(*stream_, *piece));
    }
}

async::Task<base::Result<ClientResponse>> ClientConnection::send(ClientRequest request,
                                                                 base::Instant deadline) {
    set_deadline(deadline);
    auto sent = co_await send_request(request);
    if (!sent && sent.error().code != Code::unavailable) {
        reusable_ = false;
        co_return std::unexpected(std::move(sent).error());
    }
    // A server that refuses a body answers and closes: what broke our writing has an answer to
    // read.
    const auto answer_to = request.method == "HEAD" ? wire::AnswerTo::head : wire::AnswerTo::other;
    wire::HeadLimits limits;
    limits.head_bytes = head_bytes_max;
    for (;;) {
        wire::ResponseHead head;
        wire::HeadOutcome outcome;
        std::size_t seen = 0;
        for (;;) {
            outcome = wire::parse_response_head(buffer_.held(), seen, limits, answer_to, head);
            if (outcome.progress != wire::Progress::need_more) {
                break;
            }
            seen = buffer_.held().size();
            auto more = co_await buffer_.fill();
            if (!more || !*more) {
                reusable_ = false;
                if (!more) {
                    co_return std::unexpected(std::move(more).error());
                }
                co_return fail(Code::unavailable, "http: the server closed without an answer");
            }
        }
        if (outcome.progress == wire::Progress::bad) {
            reusable_ = false;
            co_return fail(Code::invalid, "http: the server's answer is malformed: {}",
                           wire::fault_text(outcome.fault));
        }
        if (head.status >= 100 && head.status < 200 && head.status != 101) {
            buffer_.consume(outcome.consumed);
            continue;
        }
        ClientResponse response;
        response.status = head.status;
        response.reason = head.reason;
        for (const auto& header : head.headers) {
            response.headers.add(std::string(header.name), std::string(header.value));
        }
        reusable_ =
            sent.has_value() && head.keep_alive && head.framing.kind != wire::BodyKind::until_close;
        response.body_ = std::make_unique<BodyReader>(buffer_, head.framing);
        buffer_.consume(outcome.consumed);
        co_return response;
    }
}

}  // namespace tidemill::http
