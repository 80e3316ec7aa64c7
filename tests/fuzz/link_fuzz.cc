// What one role hears from another: any bytes are a message or a refusal, and a message that was
// understood means the same after being said again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "link/codec.h"
#include "link/table.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace tidemill;
    const std::string_view payload(reinterpret_cast<const char*>(data), size);
    const auto message = link::decode(payload);
    if (!message) {
        return 0;
    }
    const std::string frame = link::encode(*message);
    const auto again = link::decode(std::string_view(frame).substr(4));
    CHECK(again.has_value());
    CHECK(again->index() == message->index());
    CHECK(link::encode(*again) == frame);
    CHECK(link::key_of(*again) == link::key_of(*message));
    link::TableReceiver receiver(4);
    (void)receiver.take(link::Begin{});
    (void)receiver.take(*again);
    return 0;
}
