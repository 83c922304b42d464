"""The outside world of genmo-rt: cameras in by WebRTC, poses out by websocket."""
