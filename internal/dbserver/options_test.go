package dbserver

import (
	"strings"
	"testing"
)

func TestSettingsThatWouldBreakAPromiseAreRefused(t *testing.T) {
	tests := []struct{ name, setting string }{
		{"another address", "listen_addresses"},
		{"another port, in any case of letters", "Port"},
		{"a line of its own", "a = 1\nlisten_addresses"},
		{"no name", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Start(t.Context(), Options{Settings: map[string]string{test.setting: "*"}})
			if err == nil || !strings.Contains(err.Error(), "read setting") {
				t.Errorf("error is %v, want the setting refused", err)
			}
		})
	}
}
