namespace CnnCluster.Trainer.Security;

/// <summary>
/// Where <c>cnn cert</c> puts a cluster's certificates: the authority in a folder, and in it a folder for each node,
/// to be copied to that node's host. The authority's key stays where it is.
/// </summary>
public static class CertificateFolders
{
    /// <summary>Makes an authority and its first nodes; the folder comes to be whole or not at all.</summary>
    /// <param name="folder">It must not exist.</param>
    /// <param name="nodes">No two of one folder.</param>
    /// <param name="now">The time from which the certificates are valid.</param>
    /// <param name="days">How long those of the nodes are.</param>
    /// <exception cref="UserException">The folder exists, or cannot be written.</exception>
    public static void Create(string folder, IReadOnlyList<NodeNames> nodes, DateTimeOffset now, int days) =>
        CertificateFiles.CreateFolder(folder, draft =>
        {
            using var authority = CertificateAuthority.Create(now, days);
            authority.Write(draft);
            foreach (var names in nodes)
            {
                CertificateFiles.CreateFolder(OfNode(draft, names), inner => authority.WriteNode(inner, names, now, days));
            }
        });

    /// <summary>Makes one node more.</summary>
    /// <exception cref="UserException">The authority cannot be read, or the node has a folder already.</exception>
    public static void AddNode(string folder, NodeNames names, DateTimeOffset now, int days)
    {
        using var authority = CertificateAuthority.Read(folder);
        CertificateFiles.CreateFolder(OfNode(folder, names), inner => authority.WriteNode(inner, names, now, days));
    }

    public static string OfNode(string folder, NodeNames names) => Path.Combine(folder, names.Folder);
}
