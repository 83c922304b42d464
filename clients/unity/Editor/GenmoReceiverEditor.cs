using UnityEditor;
using UnityEngine;

namespace GenmoRT.Editor
{
    /// <summary>Settings, and while playing: state, latency, figures.</summary>
    [CanEditMultipleObjects]
    [CustomEditor(typeof(GenmoReceiver))]
    sealed class GenmoReceiverEditor : UnityEditor.Editor
    {
        SerializedProperty _url, _token, _rate, _persons, _maxDelayMs;

        public override bool RequiresConstantRepaint() { return Application.isPlaying; }

        void OnEnable()
        {
            _url = serializedObject.FindProperty("_url");
            _token = serializedObject.FindProperty("_token");
            _rate = serializedObject.FindProperty("_rate");
            _persons = serializedObject.FindProperty("_persons");
            _maxDelayMs = serializedObject.FindProperty("_maxDelayMs");
        }

        public override void OnInspectorGUI()
        {
            serializedObject.Update();
            EditorGUILayout.DelayedTextField(_url, new GUIContent("URL", "ws://HOST:PORT/v1/streams/STREAM/poses"));
            EditorGUILayout.PropertyField(_token, new GUIContent("Token", "Where the server wants one"));
            EditorGUILayout.PropertyField(_rate, new GUIContent("Rate", "Poses per second, at most; 0 leaves it to the server"));
            EditorGUILayout.PropertyField(_persons, new GUIContent("Persons", "At most so many; 0 is all"));
            EditorGUILayout.IntSlider(_maxDelayMs, 0, 500, new GUIContent("Max Delay (ms)", "0 is the freshest, more is smoother"));
            serializedObject.ApplyModifiedProperties();
            if (!Application.isPlaying || targets.Length > 1) return;

            var receiver = (GenmoReceiver)target;
            EditorGUILayout.Space();
            if (GUILayout.Button("Reconnect")) receiver.Reconnect();
            ShowState(receiver);
            if (receiver.Stream != null) ShowFigures(receiver.Stream, receiver.Frame);
        }

        static void ShowState(GenmoReceiver receiver)
        {
            var state = receiver.State.ToString();
            var stream = receiver.Stream;
            if (receiver.State == ClientState.Open && stream.Status != null) state += ", the stream is " + stream.Status.State;
            EditorGUILayout.LabelField("State", state);
            if (receiver.LastError != null) EditorGUILayout.HelpBox(receiver.LastError, MessageType.Warning);
        }

        static void ShowFigures(PoseStream stream, PoseFrame frame)
        {
            if (stream.Hello != null) EditorGUILayout.LabelField("Server", stream.Hello.Server + ", " + stream.Hello.Stream);
            EditorGUILayout.LabelField("Persons", frame.PersonCount.ToString());
            EditorGUILayout.LabelField("Capture to here", stream.LatencyMs.ToString("F0") + " ms");
            EditorGUILayout.LabelField("Shown behind capture", stream.DelayMs.ToString("F0") + " ms");
            EditorGUILayout.LabelField("Round trip", stream.RttMs < 0 ? "unknown" : stream.RttMs.ToString("F1") + " ms");
            EditorGUILayout.LabelField("Poses", stream.Poses + ", " + stream.MissedPoses + " missed in " + stream.Gaps + " gaps");
            if (stream.Stats != null)
                EditorGUILayout.LabelField("Server's pace", stream.Stats.FpsIn.ToString("F1") + " frames in, " +
                    stream.Stats.FpsOut.ToString("F1") + " poses out per second");
            if (stream.LastProblem != null) EditorGUILayout.HelpBox(stream.LastProblem, MessageType.Info);
        }
    }
}
