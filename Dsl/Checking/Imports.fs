namespace CnnCluster.Dsl

/// What came of reading the file that an import names.
type Imported =
    /// Its text, under a path that is the same however it was named.
    | Readable of Source
    | Unreadable of reason: string

/// Reads the file that `importing` names by `path`, which is relative to it.
type Importer = delegate of importing: string * path: string -> Imported

namespace CnnCluster.Dsl.Checking

open System.Collections.Generic
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope

/// Puts what a script imports in the place of its imports: blocks, shared sets and networks, but no train parts.
module internal Imports =
    /// Files that import one another: more of them in a row are a mistake.
    [<Literal>]
    let private Deepest = 50

    type private Reading =
        { Sink: Sink
          Importer: Importer | null
          Sources: ResizeArray<Source>
          Seen: HashSet<string> }

    let private brings declaration =
        match declaration.Kind with
        | Train _ -> false
        | _ -> true

    /// The comments that stood at an import go before what comes in its place, or else before what follows.
    let private commentsOf (comments: Comments) =
        comments.Before @ [ for text in Option.toList comments.After -> Comment text ]

    let private before asides (declarations: Declaration list) =
        match declarations with
        | first :: rest ->
            let comments =
                { first.Comments with
                    Before = asides @ first.Comments.Before }

            { first with Comments = comments } :: rest
        | [] -> []

    let rec private expand reading (chain: string list) (source: Source) =
        let tree, diagnostics = Parser.parse source
        reading.Sources.Add source
        reading.Seen.Add source.File |> ignore
        diagnostics |> List.iter (report reading.Sink)

        // Declarations in reverse, and comments that wait for the next one.
        let place (placed, waiting) (declaration: Declaration) =
            match declaration.Kind with
            | Import(path, span) ->
                let asides = waiting @ commentsOf declaration.Comments

                match import reading (source.File :: chain) path span with
                | [] -> placed, asides
                | declarations -> List.rev (before asides declarations) @ placed, []
            | _ -> before waiting [ declaration ] @ placed, []

        let placed, waiting = List.fold place ([], []) tree.Declarations

        { tree with
            Declarations = List.rev placed
            Closing = waiting @ tree.Closing }

    and private import reading chain path span =
        // What it would have brought may be any word that is missing.
        let refuse message =
            report reading.Sink (Diagnostic.error span message)

            [ { Kind = UnreadDeclaration
                Comments = Comments.none
                Span = span } ]

        match reading.Importer with
        | null -> refuse "there is nowhere to import from: this script is not read from a file"
        | _ when chain.Length > Deepest -> refuse $"imports go more than {Deepest} deep"
        | importer ->
            match importer.Invoke(chain.Head, path) with
            | Unreadable reason -> refuse $"'{path}' cannot be imported: {reason}"
            | Readable source when List.contains source.File chain ->
                let loop =
                    source.File :: (chain |> List.takeWhile ((<>) source.File)) @ [ source.File ]

                let text = loop |> List.rev |> String.concat " → "
                refuse $"'{path}' imports itself: {text}"
            | Readable source when reading.Seen.Contains source.File -> []
            | Readable source -> (expand reading chain source).Declarations |> List.filter brings

    /// The script with its imports, and all files that were read, its own first.
    let read (sink: Sink) importer source =
        let reading =
            { Sink = sink
              Importer = importer
              Sources = ResizeArray()
              Seen = HashSet() }

        let tree = expand reading [] source
        tree, List.ofSeq reading.Sources
