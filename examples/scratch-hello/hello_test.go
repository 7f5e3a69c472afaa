package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestGreet(t *testing.T) {
	for _, c := range []struct {
		method, path string
		status       int
		body         string
	}{
		{http.MethodGet, "/", http.StatusOK, welcome},
		{http.MethodGet, "/TutorialHero", http.StatusOK, "Hello, TutorialHero!"},
		{http.MethodGet, "/TutorialHero/", http.StatusOK, "Hello, TutorialHero!"},
		{http.MethodPost, "/", http.StatusMethodNotAllowed, "method not allowed"},
	} {
		recorder := httptest.NewRecorder()
		greet(recorder, httptest.NewRequest(c.method, c.path, nil))
		if recorder.Code != c.status || strings.TrimSpace(recorder.Body.String()) != c.body {
			t.Errorf("%s %s: %d %q", c.method, c.path, recorder.Code, recorder.Body)
		}
	}
}
