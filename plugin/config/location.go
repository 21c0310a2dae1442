package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rrhealth/rrhealth/plugin/pool"
)

const placeForm = "location LATITUDE LONGITUDE, or location CONTINENT[/COUNTRY]"

// continents are the codes that databases use.
var continents = []string{"AF", "AN", "AS", "EU", "NA", "OC", "SA"}

var countryCode = regexp.MustCompile(`^[A-Z]{2}$`)

// parsePlace reads what stands behind location, and returns how many words that
// took.
func parsePlace(args []string) (place pool.Place, used int, err error) {
	if len(args) == 0 {
		return place, 0, fmt.Errorf("got nothing, want %s", placeForm)
	}
	latitude, err := strconv.ParseFloat(args[0], 64)
	if err != nil {
		place, err = parseCodes(args[0])
		return place, 1, err
	}
	if len(args) == 1 {
		return place, 1, errors.New("got a latitude alone, want " + placeForm)
	}
	longitude, err := strconv.ParseFloat(args[1], 64)
	switch {
	case err != nil:
		return place, 2, fmt.Errorf("got %q for a longitude, want degrees such as 13.4", args[1])
	case !within(latitude, 90):
		return place, 2, fmt.Errorf("got latitude %s, want -90 to 90", args[0])
	case !within(longitude, 180):
		return place, 2, fmt.Errorf("got longitude %s, want -180 to 180", args[1])
	}
	return place.At(latitude, longitude), 2, nil
}

// within reports whether x is between -most and most; NaN is not.
func within(x, most float64) bool { return x >= -most && x <= most }

// parseCodes reads a continent, with a country or without.
func parseCodes(text string) (pool.Place, error) {
	continent, country, given := strings.Cut(text, "/")
	switch {
	case !slices.Contains(continents, continent):
		return pool.Place{}, fmt.Errorf("got %q, want %s with CONTINENT one of %s", text, placeForm, strings.Join(continents, ", "))
	case given && !countryCode.MatchString(country):
		return pool.Place{}, fmt.Errorf("got country %q, want two capital letters such as DE", country)
	}
	return pool.Place{Continent: continent, Country: country}, nil
}
