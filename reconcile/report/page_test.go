package report

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func pageOf(t testing.TB, in Input) string {
	t.Helper()
	var b strings.Builder
	r := New(in)
	if err := r.HTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// hostile is what must not become part of a page anywhere.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `</title></style><svg/onload=alert(1)>`,
	`</td></tr></table><iframe src="https://evil.example/">`, `javascript:alert(1)`, `{{.Verify}}{{template "lives"}}`, `<!--`, `]]>`, `-->`,
	`&lt;script&gt;alert(1)&lt;/script&gt;`, "\x00\x1b[2J<b>", "\u202e<i>\u2028", `url(https://evil.example/)`, `expression(alert(1))`, `</pre><base href="//evil.example">`,
	"<meta http-equiv=refresh content=0;url=//evil.example>", "\xff<u>", "＜script＞",
}

var (
	tag       = regexp.MustCompile(`(?s)<[^>]*>`)
	attribute = regexp.MustCompile(`(?s)="[^"]*"`)
)

// skeleton are the tags of a page with the names of their attributes: what a
// browser makes of it, whatever the texts say.
func skeleton(page string) []string {
	var tags []string
	for _, t := range tag.FindAllString(page, -1) {
		tags = append(tags, attribute.ReplaceAllString(t, ""))
	}
	return tags
}

func TestNoTextBecomesPartOfThePage(t *testing.T) {
	want := skeleton(pageOf(t, sample(func(text string) string { return "x" + text })))
	for _, text := range hostile {
		page := pageOf(t, sample(func(was string) string { return text + was }))
		if diff := cmp.Diff(want, skeleton(page)); diff != "" {
			t.Errorf("%q changes the page:\n%s", text, diff)
		}
		if !strings.Contains(html.UnescapeString(page), strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "\uFFFD"), "\uFFFD")) &&
			!strings.Contains(html.UnescapeString(page), text) {
			t.Errorf("%q is not on the page", text)
		}
	}
}

func TestThePageLoadsAndRunsNothing(t *testing.T) {
	page := pageOf(t, sample(same))
	for _, tag := range skeleton(page) {
		name := strings.Fields(strings.Trim(tag, "</>"))[0]
		switch name {
		case "script", "link", "img", "iframe", "object", "embed", "form", "base", "audio", "video", "source", "use", "image", "input", "button":
			t.Errorf("the page has %s", tag)
		}
		if regexp.MustCompile(`\s(on\w+|style|src|srcset|action|formaction|background|data|xlink:href)\b`).MatchString(tag) {
			t.Errorf("the page has %s", tag)
		}
	}
	for _, href := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !strings.HasPrefix(href[1], "#") || !strings.Contains(page, `id="`+href[1][1:]+`"`) {
			t.Errorf("a link leads to %s", href[1])
		}
	}
	for _, text := range []string{"http:", "https:", "url(", "@import", "@font-face"} {
		if strings.Contains(page, text) {
			t.Errorf("the page has %s", text)
		}
	}
}

func TestThePolicyLetsInTheStyleOnThePageAndNothingElse(t *testing.T) {
	page := pageOf(t, sample(same))
	_, rest, _ := strings.Cut(page, "<style>")
	style, _, ok := strings.Cut(rest, "</style>")
	if !ok || strings.Count(page, "<style") != 1 {
		t.Fatal("the page has not one style")
	}
	sum := sha256.Sum256([]byte(style))
	got := regexp.MustCompile(`http-equiv="Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(page)
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'"
	if len(got) != 2 || html.UnescapeString(got[1]) != want {
		t.Errorf("%q, want %q", got, want)
	}
	for _, part := range []string{"prefers-color-scheme: dark", "@media print", "@page"} {
		if !strings.Contains(style, part) {
			t.Errorf("the style has no %s", part)
		}
	}
}

func TestTagsOfThePageAreClosed(t *testing.T) {
	void := map[string]bool{"meta": true, "br": true, "line": true, "rect": true, "path": true, "!doctype": true}
	var open []string
	for _, tag := range skeleton(pageOf(t, sample(same))) {
		name := strings.ToLower(strings.Fields(strings.Trim(tag, "</>"))[0])
		switch {
		case void[name]:
		case !strings.HasPrefix(tag, "</"):
			open = append(open, name)
		case len(open) == 0 || open[len(open)-1] != name:
			t.Fatalf("%s closes %v", tag, open)
		default:
			open = open[:len(open)-1]
		}
	}
	if len(open) != 0 {
		t.Errorf("%v stay open", open)
	}
}

func TestThePageSaysWhatThereIsToSay(t *testing.T) {
	page := html.UnescapeString(pageOf(t, sample(same)))
	for _, says := range []string{
		"observe → mirror", "orders slower than before", "10 % → 0 %", "0 % → 1 %", // steps
		"breaker", "not_sampled", "312", "1,388,189", // what was left out
		"public.users_v2, public.user_profiles", "3 ranges have not been walked", "56.17 %", // tables
		"hmac:0c11b2aa90", "constraint orders_v2_total_check (23514)", "waived by ana", "until 2026-07-10 08:00:00 UTC", // differences
		"6f1f0b2d5c3e4a9788c0d1e2f3a4b5c6d7e8f90112233445566778899aabbccd", "crossfade audit verify", // how to verify
		"11.0 s", "synchronous_commit = off",
	} {
		if !strings.Contains(page, says) {
			t.Errorf("the page does not say %q", says)
		}
	}
}

// TestWriteSample writes the page where REPORT_PAGE says, to be looked at.
func TestWriteSample(t *testing.T) {
	path := os.Getenv("REPORT_PAGE")
	page := pageOf(t, sample(same))
	if path == "" {
		return
	}
	if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestTheChartHoldsEachShareUntilTheNext(t *testing.T) {
	r := New(Input{
		Subject: Subject{Made: at(10, 0)},
		Acts: []Act{
			{Time: at(0, 0), Act: actStart},
			{Time: at(5, 0), Act: actShare, Share: 50},
			{Time: at(10, 0), Act: actAbort},
		},
	})
	c := chartOf(&r)
	if want := "M44.0 136.0H497.0V74.0H950.0V136.0H950.0"; c.Line != want {
		t.Errorf("%s, want %s", c.Line, want)
	}
	if empty := New(Input{Subject: Subject{Made: at(1, 0)}}); chartOf(&empty) != nil {
		t.Error("a chart of nothing")
	}
}
