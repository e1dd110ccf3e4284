package main

import (
	"net/http"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

type claims struct {
	SessionID string `json:"sid"`
	FamilyID  string `json:"family_id"`
	Role      string `json:"role"`
	jwt.RegisteredClaims
}

// tenant is what the policies compare with.
type tenant struct {
	userID, sessionID, familyID, role string
}

func (c *claims) personal() tenant { return tenant{c.Subject, c.SessionID, "", ""} }
func (c *claims) inFamily() tenant { return tenant{c.Subject, c.SessionID, c.FamilyID, c.Role} }

type verifier struct {
	parser *jwt.Parser
	secret []byte
}

func newVerifier(secret string) *verifier {
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{"HS256"}),
		jwt.WithIssuer("hearth"),
		jwt.WithAudience("hearth"),
		jwt.WithExpirationRequired(),
	)
	return &verifier{parser, []byte(secret)}
}

func (v *verifier) claims(r *http.Request) (*claims, error) {
	token, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !isBearer {
		return nil, errUnauthenticated
	}
	found := &claims{}
	key := func(*jwt.Token) (any, error) { return v.secret, nil }
	if _, err := v.parser.ParseWithClaims(token, found, key); err != nil || found.Subject == "" {
		return nil, errUnauthenticated
	}
	return found, nil
}
