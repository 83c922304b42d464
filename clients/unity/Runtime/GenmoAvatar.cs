using System;
using GenmoRT.Internal;
using UnityEngine;

namespace GenmoRT
{
    /// <summary>Drives a Humanoid avatar with one person of a receiver.</summary>
    /// <remarks>
    /// It writes bones after the Animator, so leave the Animator's controller empty, or let it
    /// animate what is not driven: fingers, jaw, eyes.
    /// </remarks>
    [AddComponentMenu("Genmo RT/Genmo Avatar")]
    [RequireComponent(typeof(Animator))]
    public sealed partial class GenmoAvatar : MonoBehaviour
    {
        #region Public members

        /// <summary>The person shown now, or null. Reused: don't keep it.</summary>
        public PersonPose Current { get; private set; }

        /// <summary>0..1, how likely that part of the body touches something; 0 while nobody is shown.</summary>
        public float GetContact(Contact part) { return Current == null ? 0 : Current.Contacts[(int)part]; }

        /// <summary>The avatar's legs over the person's: positions are scaled by it.</summary>
        public float Scale { get { return _rig == null ? 1 : _rig.Retargeter.Scale; } }

        #endregion

        #region MonoBehaviour

        void Awake()
        {
            try
            {
                _rig = new HumanoidRig(GetComponent<Animator>());
            }
            catch (ArgumentException error)
            {
                Debug.LogError("Genmo Avatar: " + error.Message, this);
                enabled = false;
            }
        }

        void LateUpdate()
        {
            // 1. Whom to show
            Current = Choose();
            if (Current == null) return;

            // 2. Their body, when it is another one than before
            var stream = _receiver.Stream;
            if (_fittedTo != Current.Id || _fittedVersion != stream.SubjectsVersion) Fit(stream);
            if (!_isFitted) return;

            // 3. Their pose
            _rig.Apply(Current, _rootMotion, _heightOffset);
        }

        #endregion

        HumanoidRig _rig;
        bool _isFitted;
        uint _fittedTo;
        int _fittedVersion = -1;

        PersonPose Choose()
        {
            if (_receiver == null || !_receiver.HasPose) return null;
            var frame = _receiver.Frame;
            if (_choice == PersonChoice.ById) return frame.Find(_personId);
            return _index >= 0 && _index < frame.PersonCount ? frame[_index] : null;
        }

        void Fit(PoseStream stream)
        {
            var subject = stream.FindSubject(Current.Id);
            var offsets = subject != null ? subject.Offsets : stream.Skeleton != null ? stream.Skeleton.Offsets : null;
            _isFitted = offsets != null;
            if (!_isFitted) return;
            _rig.Retargeter.Fit(offsets);
            _fittedTo = Current.Id;
            _fittedVersion = stream.SubjectsVersion;
        }
    }
}
