#include "proxy/message/grpc.h"

#include <gtest/gtest.h>

namespace tidemill::proxy {
namespace {

using namespace std::chrono_literals;

TEST(Grpc, timeouts_are_read_and_written) {
    EXPECT_EQ(parse_grpc_timeout("1S"), 1s);
    EXPECT_EQ(parse_grpc_timeout("99999999n"), 99'999'999ns);
    EXPECT_EQ(parse_grpc_timeout("2M"), 2min);
    EXPECT_GT(*parse_grpc_timeout("99999999H"), base::Duration::zero());
    for (const auto* bad : {"", "S", "1", "123456789S", "-1S", "1s", "1 S", "0x1S"}) {
        EXPECT_FALSE(parse_grpc_timeout(bad).has_value()) << bad;
    }
    EXPECT_EQ(GrpcTimeout(1s).text(), "1000000u");
    EXPECT_EQ(GrpcTimeout(50ms).text(), "50000000n");
    EXPECT_EQ(GrpcTimeout(10min).text(), "600000m");
    EXPECT_EQ(GrpcTimeout(base::Duration(INT64_MAX)).text(), "2562047H");
    EXPECT_EQ(GrpcTimeout(0s).text(), "");
    EXPECT_EQ(grpc_message("a%b\n"), "a%25b%0A");
}

}  // namespace
}  // namespace tidemill::proxy
