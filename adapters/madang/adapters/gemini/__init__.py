"""Google's Gemini models over the Gemini API: text through either of Google's SDKs, pictures through the newer one."""
