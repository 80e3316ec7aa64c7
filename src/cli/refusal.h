// Failures, as a person reads them.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tidemill::cli {

// The message without the frame that Kubernetes' webhooks put around it, which kubectl's users
// know and ours need not.
std::string plain_message(std::string_view message);
// "TM-301" of a message that ends with "(TM-301)" or begins with "TM-301:"; empty when it names
// none.
std::string stable_code(std::string_view message);
// What to do about it, in one line; empty when the message says so itself.
std::string advice_for(const base::Error& error);
// What a service's condition of this reason asks for; never empty.
std::string advice_for_reason(std::string_view reason, std::string_view service);

}  // namespace tidemill::cli
