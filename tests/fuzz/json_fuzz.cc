// What is accepted is written and read back as the same value; patches never break the limits.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "wire/json.h"
#include "wire/json_patch.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace tidemill::wire;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const JsonLimits limits{.bytes_max = 64 * 1024, .depth_max = 30, .nodes_max = 2'000};
    const auto value = parse_json(text, limits);
    if (!value) {
        CHECK(!value.error().message.empty());
        return 0;
    }
    for (const JsonStyle style : {JsonStyle::compact, JsonStyle::pretty}) {
        const auto back = parse_json(write_json(*value, style));
        CHECK(back && *back == *value);
    }
    const Json merged = merge_patch(*value, *value);
    CHECK(merge_patch(merged, *value) == merged);
    // {"doc": …, "patch": […]} is a patch to apply.
    const JsonReader reader(*value);
    if (const auto* object = value->if_object();
        object != nullptr && object->contains("doc") && object->contains("patch")) {
        const auto patched = json_patch(object->at("doc"), object->at("patch"), limits);
        CHECK(!patched || write_json(*patched).size() < 4 * limits.bytes_max * 8);
    }
    return 0;
}
