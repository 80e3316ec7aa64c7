// Objects as the store's memory keeps them: packed, and opened for who reads them.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "model/object/object.h"
#include "store/watch.h"

namespace tidemill::store {

class Keeper;

// For objects that may be packed: std::make_shared would hold an object's own bytes for as long as
// anybody remembers that it was open.
inline ObjectPtr share(model::Object object) {
    return ObjectPtr(std::make_unique<const model::Object>(std::move(object)));
}

// One state of one object. As values in memory a document takes about five times the bytes of its
// text; packed, against another of its kind, a quarter of them. One thread.
class Kept {
public:
    const model::ObjectKey& key() const { return key_; }
    // The object, which stays open for a while; the same one for all who have it at a time.
    ObjectPtr open() const { return open(Then::keep_open); }
    // The same for those who look at many: it is closed when they let go of it.
    ObjectPtr glance() const { return open(Then::close); }

private:
    friend class Keeper;
    struct Sample;
    struct Recent;
    enum class Then : std::uint8_t { close, keep_open };
    ObjectPtr open(Then then) const;

    model::ObjectKey key_;
    ObjectPtr always_open_;  // of kinds that are not packed
    std::string packed_;
    std::shared_ptr<const Sample> sample_;
    std::shared_ptr<Recent> recent_;
    mutable std::weak_ptr<const model::Object> opened_;
};
using KeptPtr = std::shared_ptr<const Kept>;

// Packs, and holds open what was used last. May go before what it kept.
class Keeper {
public:
    // open_bytes_max: of the documents of objects that are open though nobody uses them.
    explicit Keeper(std::size_t open_bytes_max);
    Keeper(Keeper&&) noexcept;
    Keeper& operator=(Keeper&&) noexcept;
    ~Keeper();

    // `document` is the object as JSON; not read for Secrets, which stay as they are.
    KeptPtr keep(ObjectPtr object, std::string_view document);

private:
    struct Packer;
    std::unique_ptr<Packer> packer_;
    std::shared_ptr<Kept::Recent> recent_;
    std::map<model::KindId, std::shared_ptr<const Kept::Sample>> samples_;
};

}  // namespace tidemill::store
