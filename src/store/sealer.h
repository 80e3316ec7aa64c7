// How secrets are made unreadable on disk.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tidemill::store {

// Authenticated encryption with keys of its own. The store hands every Secret to it whole, since
// annotations repeat what data holds. Called on the loop's thread.
class Sealer {
public:
    Sealer() = default;
    Sealer(const Sealer&) = delete;
    Sealer& operator=(const Sealer&) = delete;
    virtual ~Sealer() = default;

    // `context` is bound to the result: it opens in the same context only, so that a sealed secret
    // copied to another name does not open.
    virtual base::Result<std::string> seal(std::string_view plain, std::string_view context) = 0;
    // Errors: invalid (changed, of another context, or sealed with a key that is not there).
    virtual base::Result<std::string> unseal(std::string_view sealed, std::string_view context) = 0;
};

}  // namespace tidemill::store
