// An upload either is refused, or becomes a tree whose paths stay inside, that lists as it was
// told, and that packs and unpacks to itself.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "async/virtual_loop.h"
#include "base/check.h"
#include "builder/ignore.h"
#include "host_sim/sim_clock.h"
#include "host_sim/sim_disk.h"
#include "image/tar.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace tidemill;
    using Open = host::Disk::Open;
    async::VirtualLoop loop;
    const host_sim::SimClock clock(loop, {});
    host_sim::Trace trace;
    host_sim::SimDisk sim(1, clock, trace, {.capacity_bytes = 4 << 20});
    host::Disk& disk = sim;
    const image::TreeLimits limits{
        .bytes_max = 1 << 20, .entries_max = 200, .path_bytes_max = 300, .depth_max = 10};
    CHECK(disk.make_directories("/upload") && disk.make_directories("/tree") &&
          disk.make_directories("/back"));
    const auto upload = *disk.open("/upload/tar", Open::create_new);
    CHECK(upload->write_at(0, {reinterpret_cast<const char*>(data), size}));
    const auto entries = image::unpack_tar(disk, *upload, "/tree",
                                           {.limits = limits, .skip = builder::is_never_source});
    CHECK(disk.list("/")->size() == 3);
    if (!entries) {
        CHECK(!entries.error().message.empty());
        return 0;
    }
    for (const auto& entry : *entries) {
        CHECK(image::check_tree_path(entry.path, limits));
        CHECK(!builder::is_never_source(entry.path));
    }
    const auto listed = image::list_tree(disk, "/tree", limits);
    CHECK(listed && *listed == *entries);
    const auto layer = *disk.open("/upload/layer", Open::create_new);
    const auto packed = image::pack_tree(disk, "/tree", *listed, "", *layer, "");
    CHECK(packed.has_value());
    const auto again = image::unpack_tar(disk, *layer, "/back", {.limits = limits, .skip = {}});
    CHECK(again && *again == *entries);
    return 0;
}
