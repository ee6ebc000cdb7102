using System.Security.Cryptography;

namespace CnnCluster.Trainer.ControlPlane;

/// <summary>
/// What both sides of a connection of the control plane say first: the connecting one magic (8 bytes) and the run's token
/// (16 bytes), the accepting one <see cref="Welcome"/> or <see cref="Refusal"/> (8 bytes each).
/// </summary>
internal sealed class ControlPlaneHello
{
    public const int TokenBytes = 16;
    private static readonly byte[] Magic = "CnnCtrl\n"u8.ToArray();
    private static readonly byte[] Welcome = "CnnYes\r\n"u8.ToArray();
    private static readonly byte[] Refusal = "CnnNo\r\n\n"u8.ToArray();
    private readonly byte[] words;

    public ControlPlaneHello(byte[] token)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(token.Length, TokenBytes);
        words = [.. Magic, .. token];
    }

    /// <summary>The accepting side.</summary>
    /// <returns>Null where the other side may stay, else why not.</returns>
    public async Task<string?> WhyNotAsync(Stream stream, CancellationToken patience)
    {
        var heard = new byte[words.Length];
        await stream.ReadExactlyAsync(heard, patience);
        var why = !heard.AsSpan(0, Magic.Length).SequenceEqual(Magic) ? "it speaks another protocol"
            : !CryptographicOperations.FixedTimeEquals(heard, words) ? "it showed another token"
            : null;
        await stream.WriteAsync(why is null ? Welcome : Refusal, patience);
        return why;
    }

    /// <summary>The connecting side.</summary>
    /// <exception cref="TurnedAwayException">The other side has said no.</exception>
    /// <exception cref="IOException">The other side broke off.</exception>
    public async Task IntroduceAsync(Stream stream, CancellationToken patience)
    {
        await stream.WriteAsync(words, patience);
        var answer = new byte[Welcome.Length];
        await stream.ReadExactlyAsync(answer, patience);
        if (answer.AsSpan().SequenceEqual(Welcome)) return;
        throw new TurnedAwayException(
            answer.AsSpan().SequenceEqual(Refusal) ? "its run has another token" : "it speaks another protocol");
    }
}

/// <summary>A process does not want this one, and will not another time.</summary>
internal sealed class TurnedAwayException(string why, Exception? inner = null) : IOException(why, inner);
