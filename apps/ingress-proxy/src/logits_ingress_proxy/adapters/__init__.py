"""What the Ingress Proxy needs of the world outside: an OpenID issuer and a certificate's files."""
