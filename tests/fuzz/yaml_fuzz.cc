// What is accepted is written and read back as the same value, within the limits.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "wire/yaml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace tidemill::wire;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const JsonLimits limits{.bytes_max = 64 * 1024, .depth_max = 30, .nodes_max = 2'000};
    const auto documents = parse_yaml(text, limits);
    if (!documents) {
        CHECK(!documents.error().message.empty());
        return 0;
    }
    for (const Json& document : *documents) {
        const auto json = parse_json(write_json(document));
        CHECK(json && *json == document);
        const auto back = parse_yaml(write_yaml(document));
        CHECK(back.has_value());
        CHECK(back->size() == 1 && back->front() == document);
    }
    return 0;
}
