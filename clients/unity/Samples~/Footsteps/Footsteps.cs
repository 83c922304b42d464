using UnityEngine;

namespace GenmoRT.Samples
{
    /// <summary>Plays a sound whenever one of the avatar's feet comes down.</summary>
    [RequireComponent(typeof(GenmoAvatar))]
    public sealed class Footsteps : MonoBehaviour
    {
        const float Down = 0.7f, Up = 0.3f; // apart, so that a trembling value is one step

        [SerializeField] AudioSource _source = null;
        [SerializeField] AudioClip _step = null;

        GenmoAvatar _avatar;
        bool _leftIsDown, _rightIsDown;

        void Awake() { _avatar = GetComponent<GenmoAvatar>(); }

        void Update()
        {
            Listen(Contact.LeftFoot, ref _leftIsDown);
            Listen(Contact.RightFoot, ref _rightIsDown);
        }

        void Listen(Contact foot, ref bool isDown)
        {
            var contact = _avatar.GetContact(foot);
            if (!isDown && contact > Down)
            {
                isDown = true;
                _source.PlayOneShot(_step, 1);
            }
            else if (isDown && contact < Up) isDown = false;
        }
    }
}
