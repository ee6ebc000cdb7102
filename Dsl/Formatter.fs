namespace CnnCluster.Dsl

open System.Collections.Generic

/// A script in its canonical form, or what keeps it from having one.
type Formatted =
    {
        /// Null if there are errors.
        Text: string | null
        /// The mistakes in the script's form; what it means is not looked at.
        Diagnostics: IReadOnlyList<Diagnostic>
        /// The diagnostics for people.
        Report: string
    }

/// Writes scripts in their canonical form: the same tree, comments included.
[<AbstractClass; Sealed>]
type Formatter private () =
    static member Format(source: Source) : Formatted =
        let tree, diagnostics = Parser.parse source

        { Text = if Report.hasErrors diagnostics then null else Printer.print tree
          Diagnostics = diagnostics
          Report = Report.renderAll [ source ] diagnostics }
