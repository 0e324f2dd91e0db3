#include "engine/learning/datasets/city_model.h"

namespace cairn::datasets::city {
namespace {

// Hours 0 to 23, one digit each:      012345678901234567890123
constexpr Category kCategories[] = {
    {"Coffee Shop",
     110,
     10,
     35,
     "000001489876777654322100",
     "000000135899887765432100",
     "95674",
     {"Café %N", "%S Coffee", "The %A %N"}},
    {"Restaurant",
     150,
     9,
     70,
     "100000000014972234899742",
     "210000000013873235999863",
     "96463",
     {"Trattoria %S", "The %A %N Kitchen", "%L Grill"}},
    {"Fast Food",
     70,
     7,
     20,
     "210000000025985445776543",
     "430000000014876567887665",
     "86654",
     {"%A %N Burgers", "%S's Noodles", "Pizza %N"}},
    {"Bakery",
     55,
     6,
     12,
     "000001699765554444310000",
     "000000389998655432100000",
     "68453",
     {"%S's Bakery", "%L Bakehouse", "The %A Crust"}},
    {"Bar",
     75,
     6,
     100,
     "531000000000011223578998",
     "986410000000012234579999",
     "93572",
     {"The %A %N", "Bar %S", "%N & %N"}},
    {"Night Club",
     15,
     2,
     170,
     "321000000000000000001244",
     "998752000000000000001479",
     "80342",
     {"Club %N", "%A Room", "The %L Vaults"}},
    {"Supermarket",
     60,
     11,
     25,
     "000000136655666667898620",
     "000000014799998877654210",
     "58534",
     {"%S Foods", "%L Market", "%A Basket"}},
    {"Park",
     60,
     5,
     50,
     "000001345444565556675310",
     "000001246889999998875210",
     "36693",
     {"%L Park", "%N Green", "%S Gardens"}},
    {"Gym",
     35,
     6,
     70,
     "000003787433455558998510",
     "000000147998776655432100",
     "56754",
     {"%L Fitness", "Gym %N", "The %A Club"}},
    {"Clothing Shop",
     80,
     4,
     40,
     "000000000245566667775100",
     "000000000158999998863000",
     "94331",
     {"%S & %S", "%A Threads", "The %N Wardrobe"}},
    {"Bookshop",
     20,
     2,
     45,
     "000000000245556666765210",
     "000000000147999988753100",
     "84851",
     {"%S Books", "The %A Page", "%L Books"}},
    {"Museum",
     20,
     2,
     110,
     "000000000278887777532000",
     "000000000379999998742000",
     "93562",
     {"%L Museum", "Museum of the %N", "%S Collection"}},
    {"Cinema",
     12,
     3,
     140,
     "300000000000023344789986",
     "610000000001246678999997",
     "84541",
     {"%N Pictures", "%A Screen", "The %L Cinema"}},
    {"Theatre",
     12,
     2,
     150,
     "200000000000011112589952",
     "300000000000122345689953",
     "92551",
     {"%L Playhouse", "The %A %N Theatre", "%S Stage"}},
    {"Library",
     18,
     3,
     90,
     "000000001588888888765200",
     "000000000378888877410000",
     "64952",
     {"%L Library", "%S Reading Room", "%N Library"}},
    {"Station",
     30,
     13,
     8,
     "211125799755566788976543",
     "321112235677777777766544",
     "95676",
     {"%L Station", "%S Street", "%N Cross"}},
    {"Pharmacy",
     40,
     3,
     10,
     "000000015777665567887310",
     "000000003688875555431000",
     "67543",
     {"%S Pharmacy", "%L Chemist", "%N Pharmacy"}},
    {"Office",
     70,
     12,
     300,
     "000000259998887887532100",
     "000000000112222221110000",
     "92749",
     {"%L House", "%S & %S Partners", "%N Works"}},
    {"Hair Salon",
     48,
     2,
     50,
     "000000001466666677764100",
     "000000000689999887520000",
     "67431",
     {"%S Hair", "%A Scissors", "The %L Barber"}},
    {"Hotel",
     20,
     1,
     400,
     "432222355544445566788765",
     "543222245766555566788876",
     "92475",
     {"Hotel %S", "The %A %N Inn", "%L Hotel"}},
};

constexpr std::string_view kAdjectives[] = {
    "Copper",    "Quiet", "Blue",   "Golden",  "Crooked",  "Hidden", "Silver", "Old",
    "Wandering", "Red",   "Lucky",  "Painted", "Little",   "Green",  "Hollow", "Merry",
    "Salty",     "Paper", "Velvet", "Amber",   "Northern", "Wild",   "Round",  "Honest",
};
constexpr std::string_view kNouns[] = {
    "Heron",   "Lantern", "Anchor", "Magpie", "Kettle", "Orchard", "Otter",  "Compass",
    "Thistle", "Swallow", "Barrel", "Fox",    "Beacon", "Willow",  "Badger", "Harbour",
    "Clock",   "Sparrow", "Ferry",  "Mill",   "Acorn",  "Pilot",   "Stag",   "Comet",
};
constexpr std::string_view kSurnames[] = {
    "Marchetti", "Okafor",  "Lindqvist", "Novak",   "Duarte",  "Harlow", "Petrov",   "Yamada",
    "Castellan", "Brandt",  "Moreau",    "Adeyemi", "Fischer", "Rossi",  "Kowalski", "Haddad",
    "Nguyen",    "Alvarez", "Byrne",     "Sato",    "Keller",  "Jansen", "Costa",    "Whitlock",
};
constexpr std::string_view kLandmarks[] = {
    "Linden",  "Market Cross", "Bridge",  "Tower",      "Canal",     "Abbey",    "Quayside", "Observatory",
    "Foundry", "Meadow",       "Chapel",  "Lower Lock", "Cathedral", "Hilltop",  "Arcade",   "Granary",
    "Viaduct", "Weir",         "Terrace", "Guildhall",  "Pier",      "Cloister", "Rampart",  "Fountain",
};

constexpr std::string_view kDistrictStarts[] = {"Ash",  "Mill", "Stone", "Oak",  "River", "King", "Elm",   "North",
                                                "Fern", "Hart", "West",  "Clay", "Thorn", "Bell", "Marsh", "Glass"};
constexpr std::string_view kDistrictEnds[] = {"gate", "ford", "field", "bury",  "wick",  "mouth", "ham",
                                              "hill", "port", "dale",  "brook", "stead", "moor"};

template <std::size_t N>
std::string_view pick(const std::string_view (&words)[N], Random& random) {
  return words[random.below(N)];
}

}  // namespace

std::span<const Category> categories() noexcept { return kCategories; }

std::string make_name(std::string_view pattern, Random& random) {
  std::string name;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%') {
      name += pattern[i];
      continue;
    }
    switch (pattern[++i]) {
      case 'A':
        name += pick(kAdjectives, random);
        break;
      case 'N':
        name += pick(kNouns, random);
        break;
      case 'S':
        name += pick(kSurnames, random);
        break;
      default:
        name += pick(kLandmarks, random);
        break;
    }
  }
  return name;
}

std::string make_district_name(std::size_t index) {
  // 16 and 13 have no common factor, so that the first 208 names differ.
  std::string name(kDistrictStarts[index % std::size(kDistrictStarts)]);
  name += kDistrictEnds[index % std::size(kDistrictEnds)];
  const std::size_t round = index / (std::size(kDistrictStarts) * std::size(kDistrictEnds));
  return round == 0 ? name : name + " " + std::to_string(round + 1);
}

}  // namespace cairn::datasets::city
