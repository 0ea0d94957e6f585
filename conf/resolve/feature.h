/*
 * feature.h - what the GatewayClass claims in status.supportedFeatures: only what this version
 * serves. Sorted by name in byte order (a MUST); a test holds that. Later issues add their lines.
 */
#ifndef CONF_RESOLVE_FEATURE_H
#define CONF_RESOLVE_FEATURE_H

#define FEATURE_API_VERSION "v1.7.0"

#define FEATURE_TABLE(F) \
	F(BackendTLSPolicy) \
	F(BackendTLSPolicySANValidation) \
	F(GRPCRoute) \
	F(GRPCRouteNamedRouteRule) \
	F(GRPCRouteRequestHeaderModifier) \
	F(Gateway) \
	F(GatewayAddressEmpty) \
	F(GatewayBackendClientCertificate) \
	F(GatewayFrontendClientCertificateValidation) \
	F(GatewayFrontendClientCertificateValidationInsecureFallback) \
	F(GatewayHTTPListenerIsolation) \
	F(GatewayHTTPSListenerDetectMisdirectedRequests) \
	F(GatewayInfrastructure) \
	F(GatewayPort8080) \
	F(GatewayRouteHostnameIntersectionPrecedence) \
	F(GatewayStaticAddresses) \
	F(HTTPRoute) \
	F(HTTPRoute303RedirectStatusCode) \
	F(HTTPRoute307RedirectStatusCode) \
	F(HTTPRoute308RedirectStatusCode) \
	F(HTTPRouteBackendProtocolH2C) \
	F(HTTPRouteBackendProtocolWebSocket) \
	F(HTTPRouteBackendRequestHeaderModification) \
	F(HTTPRouteBackendTimeout) \
	F(HTTPRouteBackendURLRewrite) \
	F(HTTPRouteCORS) \
	F(HTTPRouteDestinationPortMatching) \
	F(HTTPRouteHostRewrite) \
	F(HTTPRouteMethodMatching) \
	F(HTTPRouteNamedRouteRule) \
	F(HTTPRouteParentRefPort) \
	F(HTTPRoutePathRedirect) \
	F(HTTPRoutePathRewrite) \
	F(HTTPRoutePortRedirect) \
	F(HTTPRouteQueryParamMatching) \
	F(HTTPRouteRequestMirror) \
	F(HTTPRouteRequestMultipleMirrors) \
	F(HTTPRouteRequestPercentageMirror) \
	F(HTTPRouteRequestTimeout) \
	F(HTTPRouteResponseHeaderModification) \
	F(HTTPRouteRetryCodes) \
	F(HTTPRouteRetryConnectionError) \
	F(HTTPRouteSchemeRedirect) \
	F(ListenerSet) \
	F(ReferenceGrant) \
	F(TCPRoute) \
	F(TLSRoute) \
	F(TLSRouteModeMixed) \
	F(TLSRouteModeTerminate) \
	F(UDPRoute)

#endif
