// The first byte says what the rest is (request, response, chunked body) and where it is split.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "wire/http1.h"
#include "wire/http1_body.h"
#include "wire/http1_writer.h"
#include "wire/url.h"

namespace {

using namespace tidemill::wire;

bool same_fields(const HeaderIndex& a, const HeaderIndex& b) {
    if (a.size() != b.size()) {
        return false;
    }
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (a[i].name != b[i].name || a[i].value != b[i].value || a[i].id != b[i].id) {
            return false;
        }
    }
    return true;
}

void check_request(std::string_view text, std::size_t split) {
    static const auto whole = std::make_unique<RequestHead>();
    static const auto again = std::make_unique<RequestHead>();
    const HeadLimits limits{.connect_method = ConnectMethod::accept};
    const HeadOutcome outcome = parse_request_head(text, 0, limits, *whole);
    const HeadOutcome first = parse_request_head(text.substr(0, split), 0, limits, *again);
    if (first.progress == Progress::need_more) {
        const HeadOutcome second = parse_request_head(text, split, limits, *again);
        // A fault may be told later when the head drips in, but nothing else may differ.
        CHECK(second.progress == outcome.progress ||
              (second.progress == Progress::need_more && outcome.progress == Progress::bad));
        CHECK(second.progress != Progress::done || second.consumed == outcome.consumed);
        CHECK(second.progress != Progress::bad || second.fault == outcome.fault);
    } else {
        CHECK(first.progress == outcome.progress);
        CHECK(first.fault == outcome.fault);
    }
    if (outcome.progress != Progress::done) {
        return;
    }
    CHECK(outcome.consumed <= text.size());
    if (!whole->path.empty() && whole->form != TargetForm::asterisk) {
        if (const auto path = normalise_path(whole->path)) {
            CHECK(path->starts_with('/'));
            CHECK(normalise_path(*path) == *path);
        }
    }
    std::string out;
    HeadWriter writer(out, std::size_t{1} << 20U);
    writer.request_line(whole->method_token, whole->target);
    for (const Header& header : whole->headers) {
        writer.field(header.name, header.value);
    }
    writer.end();
    CHECK(writer.fault() == WriteFault::none);
    const HeadLimits wide{.head_bytes = std::size_t{1} << 20U,
                          .connect_method = ConnectMethod::accept};
    const HeadOutcome back = parse_request_head(out, 0, wide, *again);
    // The writer always says HTTP/1.1, which asks for a Host that HTTP/1.0 need not have.
    if (whole->minor == 0 && whole->host.empty()) {
        return;
    }
    if (whole->minor == 0 && back.fault == HeadFault::unsupported_expectation) {
        return;
    }
    if (whole->minor == 0 && back.fault == HeadFault::missing_host) {
        return;
    }
    CHECK(back.progress == Progress::done);
    CHECK(back.consumed == out.size());
    CHECK(again->method == whole->method && again->target == whole->target);
    CHECK(again->framing == whole->framing && again->host == whole->host);
    CHECK(same_fields(again->headers, whole->headers));
}

void check_response(std::string_view text, std::size_t split, AnswerTo answer_to) {
    static const auto whole = std::make_unique<ResponseHead>();
    static const auto again = std::make_unique<ResponseHead>();
    const HeadLimits limits;
    const HeadOutcome outcome = parse_response_head(text, 0, limits, answer_to, *whole);
    const HeadOutcome first =
        parse_response_head(text.substr(0, split), 0, limits, answer_to, *again);
    if (first.progress == Progress::need_more) {
        const HeadOutcome second = parse_response_head(text, split, limits, answer_to, *again);
        CHECK(second.progress == outcome.progress ||
              (second.progress == Progress::need_more && outcome.progress == Progress::bad));
        CHECK(second.progress != Progress::done || second.consumed == outcome.consumed);
    } else {
        CHECK(first.progress == outcome.progress && first.fault == outcome.fault);
    }
    if (outcome.progress != Progress::done) {
        return;
    }
    std::string out;
    HeadWriter writer(out, std::size_t{1} << 20U);
    writer.status_line(whole->status, whole->reason);
    for (const Header& header : whole->headers) {
        writer.field(header);
    }
    writer.end();
    CHECK(writer.fault() == WriteFault::none);
    const HeadLimits wide{.head_bytes = std::size_t{1} << 20U};
    const HeadOutcome back = parse_response_head(out, 0, wide, answer_to, *again);
    CHECK(back.progress == Progress::done && back.consumed == out.size());
    CHECK(again->status == whole->status && again->framing == whole->framing);
    CHECK(same_fields(again->headers, whole->headers));
}

struct Decoded {
    std::string body;
    ChunkEvent end = ChunkEvent::need_more;
    std::size_t consumed = 0;
};

Decoded decode(std::string_view text, std::size_t split) {
    static const auto trailers = std::make_unique<HeaderIndex>();
    Decoded out;
    ChunkDecoder decoder(1 << 20);
    std::size_t available = split;
    while (true) {
        const std::string_view input = text.substr(out.consumed, available - out.consumed);
        const ChunkStep step = decoder.next(input, *trailers);
        CHECK(step.consumed <= input.size());
        CHECK(step.event != ChunkEvent::payload || !step.payload.empty());
        out.consumed += step.consumed;
        out.body += step.payload;
        if (step.event == ChunkEvent::need_more && available < text.size()) {
            available = text.size();
        } else if (step.event != ChunkEvent::payload) {
            out.end = step.event;
            CHECK(out.body.size() == decoder.body_bytes());
            return out;
        }
    }
}

void check_chunks(std::string_view text, std::size_t split) {
    const Decoded whole = decode(text, text.size());
    const Decoded parts = decode(text, split);
    CHECK(parts.body == whole.body);
    CHECK(parts.end == whole.end ||
          (parts.end == ChunkEvent::need_more && whole.end == ChunkEvent::bad));
    if (whole.end != ChunkEvent::done) {
        return;
    }
    CHECK(parts.consumed == whole.consumed);
    std::string again;
    if (!whole.body.empty()) {
        again = std::string(ChunkSizeLine(whole.body.size()).text()) + whole.body +
                std::string(chunk_end);
    }
    again += last_chunk;
    const Decoded back = decode(again, again.size());
    CHECK(back.end == ChunkEvent::done && back.body == whole.body);
    CHECK(back.consumed == again.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) {
        return 0;
    }
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::size_t split = std::size_t{data[0]} / 4 * text.size() / 64;
    switch (data[0] % 4) {
        case 0:
            check_request(text, split);
            break;
        case 1:
            check_response(text, split, AnswerTo::other);
            break;
        case 2:
            check_response(text, split, AnswerTo::head);
            break;
        default:
            check_chunks(text, split);
            break;
    }
    return 0;
}
